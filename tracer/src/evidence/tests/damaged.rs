//! A damaged file: the damage is named, and what is good before it is read.

use super::samples::{entries, file};
use super::whole::read;
use crate::evidence::layout::{CHAIN_SIZE, FILE_HEADER_SIZE, FRAME_HEADER_SIZE};
use crate::evidence::{Damage, Entry, Reader, Verdict, What, verify};

/// Where each frame of a whole file lies.
fn frames(file: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut frames = Vec::new();
    let mut at = FILE_HEADER_SIZE;
    while at < file.len() {
        let stored = file[at + 16..].first_chunk().copied();
        let stored = u32::from_le_bytes(stored.expect("a header")) as usize;
        let end = at + FRAME_HEADER_SIZE + stored + CHAIN_SIZE;
        frames.push(at..end);
        at = end;
    }
    frames
}

/// What `show` sees: entries, and the damage that ended them; `None` where the file cannot be opened.
fn shown(file: &[u8]) -> Option<(Vec<Entry>, Option<Damage>, bool)> {
    Reader::open(file).ok()?;
    let (entries, damage, sealed) = read(file);
    Some((entries, damage, sealed.is_some()))
}

fn verdict(file: &[u8]) -> Verdict {
    verify(file, None).expect("a whole header")
}

/// The damages that are told, each by its frame and what is wrong.
fn told(file: &[u8]) -> Vec<(u64, What)> {
    let damages = verdict(file).damages.into_iter();
    damages.map(|damage| (damage.frame, damage.what)).collect()
}

#[test]
fn a_file_cut_at_any_byte_gives_what_is_whole_before() {
    let (entries, file) = (entries(), file(&entries(), 3));
    let frames = frames(&file);
    for length in 0..file.len() {
        let cut = &file[..length];
        let Some((read, damage, is_sealed)) = shown(cut) else {
            assert!(length < FILE_HEADER_SIZE, "{length}");
            continue;
        };
        assert!(!is_sealed, "{length}");
        let whole = frames.iter().filter(|frame| frame.end <= length).count();
        assert_eq!(read, entries[..(3 * whole).min(entries.len())], "{length}");
        let is_between =
            length == FILE_HEADER_SIZE || frames.iter().any(|frame| frame.end == length);
        assert_eq!(damage.is_none(), is_between, "{length}");
        if let Some(damage) = damage {
            assert_eq!(damage.frame, whole as u64);
            assert_eq!(damage.offset, frames[whole].start as u64);
            assert!(matches!(damage.what, What::Cut { .. }), "{damage}");
        }
        assert!(!verdict(cut).is_whole(), "{length}");
    }
}

#[test]
fn whatever_follows_the_end_is_told_and_costs_nothing_before_it() {
    let (entries, file) = (entries(), file(&entries(), 3));
    let frames = frames(&file);
    let zeros = vec![0; 4096];
    let half = &file[frames[0].start..frames[0].end - 1];
    let text = b"# a note that somebody appended to the file, for the others".as_slice();
    for more in [
        &zeros[..],
        &zeros[..5],
        &file[frames[0].clone()],
        half,
        text,
    ] {
        let longer = [&file[..], more].concat();
        let told = told(&longer);
        assert_eq!(told, [(frames.len() as u64, What::BehindEnd)]);
        let (read, damage, is_sealed) = shown(&longer).expect("a whole header");
        assert_eq!(read, entries);
        assert_eq!(damage.map(|damage| damage.offset), Some(file.len() as u64));
        assert!(is_sealed);
    }
}

#[test]
fn a_flip_of_any_bit_is_named_by_its_frame_and_costs_no_other() {
    // A head, a turn with a loss and an answer, and an end, a frame each.
    let entries: Vec<Entry> = [0, 9, 12].map(|at| entries()[at].clone()).into();
    let file = file(&entries, 1);
    let frames = frames(&file);
    for bit in 0..8 * file.len() {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Some((read, damage, _)) = shown(&flipped) else {
            assert!(bit / 8 < FILE_HEADER_SIZE, "bit {bit}");
            continue;
        };
        let damage = damage.unwrap_or_else(|| panic!("bit {bit} was not seen"));
        let frame = frames.iter().position(|frame| frame.contains(&(bit / 8)));
        let frame = frame.expect("a damaged file header is refused");
        assert_eq!(damage.frame, frame as u64, "bit {bit}: {damage}");
        assert_eq!(damage.offset, frames[frame].start as u64, "bit {bit}");
        assert_eq!(read, entries[..frame.min(entries.len())], "bit {bit}");

        let verdict = verdict(&flipped);
        assert_eq!(verdict.damages, [damage], "bit {bit}");
        let lost = usize::from(frame + 1 < frames.len());
        let is_its_chain = bit / 8 >= frames[frame].end - CHAIN_SIZE;
        if !is_its_chain {
            assert_eq!(
                verdict.totals.frames as usize,
                frames.len() - 1 - lost,
                "bit {bit}"
            );
        }
    }
}

#[test]
fn a_frame_that_is_missing_repeated_or_elsewhere_is_named() {
    let file = file(&entries(), 4);
    let frames = frames(&file);
    assert_eq!(frames.len(), 5);
    let join = |order: &[usize]| {
        let mut joined = file[..FILE_HEADER_SIZE].to_vec();
        order
            .iter()
            .for_each(|&at| joined.extend_from_slice(&file[frames[at].clone()]));
        joined
    };
    let order = |frame, found| (frame, What::Order { found });
    assert_eq!(told(&join(&[0, 1, 2, 3, 4])), []);
    assert_eq!(told(&join(&[0, 2, 3, 4])), [order(1, 2)]);
    assert_eq!(told(&join(&[0, 1, 1, 2, 3, 4])), [order(2, 1)]);
    assert_eq!(
        told(&join(&[0, 2, 1, 3, 4])),
        [order(1, 2), order(3, 1), order(2, 3)]
    );
    assert_eq!(told(&join(&[0, 1, 2, 3, 4, 4])), [(5, What::BehindEnd)]);
    assert_eq!(verdict(&join(&[0, 1, 1, 2, 3, 4])).totals.records, 9);
}

#[test]
fn frames_of_another_file_do_not_pass_for_its_own() {
    let whole = file(&entries(), 3);
    let mut others = entries();
    others.swap(7, 9);
    let other = file(&others, 3);
    let (ours, theirs) = (frames(&whole), frames(&other));
    let mut mixed = whole[..ours[2].start].to_vec();
    mixed.extend_from_slice(&other[theirs[2].clone()]);
    mixed.extend_from_slice(&whole[ours[3].start..]);
    // Up to there, both are the same: the other one's goes on from it, and ours does not go on from that.
    assert_eq!(told(&mixed), [(3, What::Chain)]);
}

#[test]
fn a_hole_costs_what_it_touches() {
    let file = file(&entries(), 1);
    let frames = frames(&file);
    let mut holed = file[..frames[3].start + 50].to_vec();
    holed.extend_from_slice(&file[frames[6].start + 10..]);
    let verdict = verdict(&holed);
    assert_eq!(verdict.damages.first().map(|damage| damage.frame), Some(3));
    assert_eq!(verdict.totals.frames, 3 + 6);
}

//! Where the classic tracepoint's fields stand in its entry, read from its `format` file.

use tracer_ebpf::{ABSENT, CLASSIC_ENTRY_SIZE, ClassicOffsets};

/// Reads the offsets from the text of `events/sock/inet_sock_set_state/format`.
///
/// # Errors
///
/// The name of a field that is missing, or that lies outside what the kernel side copies.
pub(super) fn classic_offsets(text: &str) -> Result<ClassicOffsets, String> {
    let field = |name: &str| -> Result<(u32, u32), String> {
        let (offset, size) = text
            .lines()
            .find_map(|line| parse_field(line, name))
            .ok_or_else(|| format!("it has no field `{name}`"))?;
        if (offset + size) as usize > CLASSIC_ENTRY_SIZE {
            return Err(format!(
                "its field `{name}` ends at byte {}, past the {CLASSIC_ENTRY_SIZE} that are read",
                offset + size
            ));
        }
        Ok((offset, size))
    };
    // IPv6 fields are always there: the event is declared so, whatever the kernel was built with.
    let protocol = field("protocol")?;
    Ok(ClassicOffsets {
        socket: field("skaddr")?.0,
        old_state: field("oldstate")?.0,
        new_state: field("newstate")?.0,
        local_port: field("sport")?.0,
        remote_port: field("dport")?.0,
        family: field("family")?.0,
        protocol: protocol.0,
        protocol_size: protocol.1,
        local_addr4: field("saddr")?.0,
        remote_addr4: field("daddr")?.0,
        local_addr6: field("saddr_v6").map_or(ABSENT, |found| found.0),
        remote_addr6: field("daddr_v6").map_or(ABSENT, |found| found.0),
    })
}

/// Parses `field:__u8 saddr[4]; offset:32; size:4; signed:0;` if it is of the field named.
fn parse_field(line: &str, wanted: &str) -> Option<(u32, u32)> {
    let mut offset = None;
    let mut size = None;
    let mut name = None;
    for part in line.split(';') {
        let (key, value) = part.trim().split_once(':')?;
        match key {
            "field" => {
                let last = value.split_whitespace().last()?;
                name = last.split('[').next();
            }
            "offset" => offset = value.parse().ok(),
            "size" => size = value.parse().ok(),
            _ => {}
        }
        if offset.is_some() && size.is_some() {
            break;
        }
    }
    (name == Some(wanted)).then_some((offset?, size?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "\
name: inet_sock_set_state
ID: 2287
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;

print fmt: \"family=%s protocol=%s sport=%hu\", REC->family
";

    #[test]
    fn every_field_is_found() {
        let offsets = classic_offsets(FORMAT).expect("a whole format");
        assert_eq!(offsets.socket, 8);
        assert_eq!(offsets.protocol, 30);
        assert_eq!(offsets.protocol_size, 2);
        assert_eq!(offsets.local_addr4, 32);
        assert_eq!(offsets.remote_addr6, 56);
    }

    #[test]
    fn offsets_follow_the_file() {
        // A kernel whose common part is eight bytes longer, as some distributions build it.
        let moved = FORMAT
            .replace("skaddr;\toffset:8;", "skaddr;\toffset:16;")
            .replace("oldstate;\toffset:16;", "oldstate;\toffset:24;");
        let offsets = classic_offsets(&moved).expect("a whole format");
        assert_eq!((offsets.socket, offsets.old_state), (16, 24));
    }

    #[test]
    fn what_is_missing_or_too_far_is_named() {
        let missing = FORMAT.replace("dport", "dest_port");
        assert_eq!(
            classic_offsets(&missing),
            Err("it has no field `dport`".to_owned())
        );
        let far = FORMAT.replace("newstate;\toffset:20;", "newstate;\toffset:200;");
        let error = classic_offsets(&far).expect_err("outside the copy");
        assert!(error.contains("`newstate` ends at byte 204"), "{error}");
    }
}

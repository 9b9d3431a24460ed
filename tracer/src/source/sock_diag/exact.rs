//! Questions after single sockets, many in one system call.

use std::io;

use netlink_packet_core::{NLMSG_ERROR, NLMSG_NOOP};
use netlink_packet_sock_diag::constants::SOCK_DIAG_BY_FAMILY;
use netlink_sys::Socket;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::message::{Sock, Wanted, request_one};
use super::{BUFFER_SIZE, DumpError, error_code, list, next_message, open, receive};
use crate::model::{Answer, Family, Look, Question};
use crate::source::clock::{boot_time, last_tick};

/// Questions that are sent at once.
///
/// The kernel answers each before the sending returns, and what finds no room in the receive buffer
/// is lost. An answer takes less than 4 KiB of it, a buffer has 208 KiB unless somebody lowered
/// `net.core.rmem_default`.
const BATCH: usize = 32;

/// Asks after each socket, in the namespace of the calling thread; the answers come in the order of
/// the questions, one each. No privilege is needed.
///
/// A question that does not know the interface is looked up in a second way before it is answered
/// with [`Answer::Absent`]: among all timewait sockets that are bound to one.
pub fn ask(questions: &[Question]) -> Vec<Look> {
    let mut looks = Vec::with_capacity(questions.len());
    match open() {
        Ok(socket) => {
            for batch in questions.chunks(BATCH) {
                looks.extend(ask_at_once(&socket, batch));
            }
        }
        Err(error) => looks.extend(questions.iter().map(|_| failed(error.to_string()))),
    }
    seek_bound(questions, &mut looks);
    looks
}

fn failed(why: String) -> Look {
    let now = boot_time();
    Look {
        ticked: now,
        before: now,
        after: now,
        answer: Answer::Failed(why),
    }
}

/// Asks a few questions with one system call.
fn ask_at_once(socket: &Socket, questions: &[Question]) -> Vec<Look> {
    let mut datagram = Vec::new();
    let mut answers: Vec<Answer> = Vec::with_capacity(questions.len());
    for (sequence, question) in (0..).zip(questions) {
        let request = request_one(question, sequence);
        let why = match request {
            Some(_) => {
                "the kernel gave no answer: its room for answers is full; raise net.core.rmem_default"
            }
            None => "a socket can be asked after by both of its ends only",
        };
        datagram.extend(request.unwrap_or_default());
        answers.push(Answer::Failed(why.to_owned()));
    }

    let (ticked, before) = (last_tick(), boot_time());
    let sent = match datagram.is_empty() {
        true => Ok(0),
        false => socket.send(&datagram, 0),
    };
    let after = boot_time();
    let result = sent
        .map_err(DumpError::failed("ask for TCP sockets"))
        .and_then(|_| read_answers(socket, &mut answers));
    if let Err(error) = result {
        let why = error.to_string();
        let unanswered = answers
            .iter_mut()
            .filter(|one| matches!(one, Answer::Failed(_)));
        unanswered.for_each(|one| *one = Answer::Failed(why.clone()));
    }
    let look = |answer| Look {
        ticked,
        before,
        after,
        answer,
    };
    answers.into_iter().map(look).collect()
}

/// Reads all that was answered; where there is no answer, what is there already stays.
fn read_answers(socket: &Socket, answers: &mut [Answer]) -> Result<(), DumpError> {
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    loop {
        match receive(socket, &mut buffer, RecvFlags::DONTWAIT) {
            Ok(()) => read_datagram(&buffer, answers)?,
            Err(DumpError::Failed { cause, .. }) if cause.kind() == io::ErrorKind::WouldBlock => {
                return Ok(());
            }
            // Told once, beside the answers that did find room.
            Err(DumpError::Failed { cause, .. })
                if cause.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads the answers of one datagram, each by the number of its question.
fn read_datagram(mut bytes: &[u8], answers: &mut [Answer]) -> Result<(), DumpError> {
    while let Some(message) = next_message(&mut bytes)? {
        let index = usize::try_from(message.sequence_number()).unwrap_or(usize::MAX);
        let Some(answer) = answers.get_mut(index) else {
            continue;
        };
        *answer = match message.message_type() {
            SOCK_DIAG_BY_FAMILY => Sock::read(message.payload())
                .map(|sock| Answer::Found(sock.found()))
                .map_err(|error| DumpError::malformed(&error))?,
            NLMSG_ERROR => refusal(error_code(message.payload())?),
            NLMSG_NOOP => continue,
            other => return Err(DumpError::unexpected(other)),
        };
    }
    Ok(())
}

/// What an error stands for that the kernel answered.
fn refusal(code: i32) -> Answer {
    let cause = io::Error::from_raw_os_error(code.saturating_abs());
    if cause.raw_os_error() == Some(Errno::NOENT.raw_os_error()) {
        return Answer::Absent;
    }
    Answer::Failed(format!("cannot ask after a TCP socket: {cause}"))
}

/// Looks for those that were not found and may be bound to an interface.
///
/// # Kernel
///
/// A kernel without `tcp_diag` answers ENOENT to every question, as for a socket that is not there.
/// To a dump it answers the same; so this tells the two apart as well.
fn seek_bound(questions: &[Question], looks: &mut [Look]) {
    let is_sought = |question: &Question, look: &Look| {
        question.interface.is_none() && look.answer == Answer::Absent
    };
    let mut pairs = questions.iter().zip(looks.iter());
    if !pairs.any(|(question, look)| is_sought(question, look)) {
        return;
    }
    let (ticked, before) = (last_tick(), boot_time());
    // An IPv4 connection may be in either.
    let listed = [Family::Ipv4, Family::Ipv6].map(|family| list(family, Wanted::BoundTimewait));
    let after = boot_time();
    let bound = match listed {
        [Ok(four), Ok(six)] => [four.sockets, six.sockets].concat(),
        [Err(error), _] | [_, Err(error)] => {
            let why = error.to_string();
            for (question, look) in questions.iter().zip(looks) {
                if is_sought(question, look) {
                    look.answer = Answer::Failed(why.clone());
                }
            }
            return;
        }
    };
    for (question, look) in questions.iter().zip(looks) {
        if !is_sought(question, look) {
            continue;
        }
        let mut same = bound.iter().filter(|sock| is_meant(question, sock));
        if let Some(sock) = same.next() {
            let answer = Answer::Found(sock.found());
            *look = Look {
                ticked,
                before,
                after,
                answer,
            };
        }
    }
}

fn is_meant(question: &Question, sock: &Sock) -> bool {
    sock.cookie == question.cookie && sock.tuple == question.tuple
}

//! The functions of libc that reach the objects of ours in the kernel: these here are the ones that the agent and its
//! libraries call. IO.
//!
//! | function | what it is to us |
//! | --- | --- |
//! | `syscall` | `bpf()`, `membarrier()` |
//! | `mmap` | arrays in memory |
//! | `send`, `sendto`, `recv`, `recvfrom` | netlink, of ours and of the library that sets filters |
//! | `mkdir`, `unlink`, `rmdir` | folders and pins on a BPF file system |
//!
//! Everything else that they are used for goes on to the kernel as it is.
#![expect(
    clippy::cast_possible_truncation,
    reason = "system calls take and give registers, which hold an address or less"
)]

use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    ptr, slice,
};

use libc::{mode_t, off_t, size_t, sockaddr, socklen_t, ssize_t};

use crate::{
    kernel::{call, map_info, set_errno},
    name::Name,
    points::{address, pass},
    stores,
};

/// What everything fails with, as on a machine that is out of memory.
const REASON: c_int = libc::ENOMEM;
/// BPF file systems are mounted there.
const BPFFS: &[u8] = b"/sys/fs/bpf/";

fn fail<T: From<i8>>(errno: c_int) -> T {
    set_errno(errno);
    T::from(-1)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    first: c_long,
    second: c_long,
    third: c_long,
    fourth: c_long,
    fifth: c_long,
    sixth: c_long,
) -> c_long {
    const GLOBAL_MEMBARRIER: c_long = 1;
    let name = match (number, first) {
        // SAFETY: the second argument of `bpf()` points to as many bytes of attributes as the third says.
        (libc::SYS_bpf, command) => Some(unsafe { bpf(command, second, third) }),
        (libc::SYS_membarrier, GLOBAL_MEMBARRIER) => Some(Name::new("membarrier")),
        (libc::SYS_membarrier, _) => Some(Name::new("membarrier question")),
        _ => None,
    };
    if name.is_some_and(|name| pass(&name)) {
        return fail(REASON);
    }
    // SAFETY: the caller's.
    unsafe { call(number, [first, second, third, fourth, fifth, sixth]) }
}

/// The name of a command of `bpf()`, with that of the object: commands and offsets of linux/bpf.h.
unsafe fn bpf(command: c_long, attributes: c_long, length: c_long) -> Name {
    let attributes: *const u8 = ptr::with_exposed_provenance(attributes.cast_unsigned() as usize);
    let length = usize::try_from(length).unwrap_or_default();
    // SAFETY: the caller's.
    let attributes = unsafe { slice::from_raw_parts(attributes, length) };
    let text = |offset: usize| attributes.get(offset..offset + 16).unwrap_or_default();
    let number = |offset: usize| {
        let bytes = attributes.get(offset..).and_then(<[u8]>::first_chunk);
        bytes.copied().map_or(0, u64::from_ne_bytes)
    };
    let map = || {
        let descriptor = c_int::try_from(number(0) & u64::from(u32::MAX)).unwrap_or(-1);
        map_info(descriptor).map_or([0; 16], |info| info.name)
    };
    let path = || {
        let path: *const c_char = ptr::with_exposed_provenance(number(0) as usize);
        // SAFETY: the attribute of these commands is a path that ends with a zero.
        last_part(unsafe { CStr::from_ptr(path) }.to_bytes())
    };
    match command {
        0 => Name::new("create map ").and(text(28)),
        1 => Name::new("look up in ").and(&map()),
        2 => Name::new("update ").and(&map()),
        3 => Name::new("delete from ").and(&map()),
        4 => Name::new("next key of ").and(&map()),
        5 => Name::new("load program ").and(text(48)),
        6 => Name::new("pin ").and(path()),
        7 => Name::new("open pin ").and(path()),
        15 => Name::new("ask for information"),
        16 => Name::new("ask for the programs of a hook"),
        18 => Name::new("load type information"),
        28 => Name::new("create link"),
        29 => Name::new("update link"),
        other => Name::new("bpf command ").and_number(other.cast_unsigned()),
    }
}

/// The last part of a path, without the number of an interface that it may end with.
fn last_part(path: &[u8]) -> &[u8] {
    let part = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let digits = part.iter().rev().take_while(|byte| byte.is_ascii_digit());
    &part[..part.len() - digits.count()]
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    place: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: off_t,
) -> *mut c_void {
    const FAILED: *mut c_void = libc::MAP_FAILED;
    let is_shared = flags & libc::MAP_SHARED != 0 && protection & libc::PROT_WRITE != 0;
    let array = is_shared
        .then(|| map_info(descriptor))
        .flatten()
        .filter(stores::is_array);
    if array.is_some_and(|array| pass(&Name::new("map into memory ").and(&array.name))) {
        set_errno(REASON);
        return FAILED;
    }
    let arguments = [
        address(place),
        length.cast_signed() as c_long,
        protection.into(),
        flags.into(),
        descriptor.into(),
        offset,
    ];
    // SAFETY: the caller's.
    let mapped = unsafe { call(libc::SYS_mmap, arguments) };
    let mapped: *mut c_void = ptr::with_exposed_provenance_mut(mapped.cast_unsigned() as usize);
    if let Some(array) = array.filter(|_| mapped != FAILED) {
        stores::protect(mapped, length, &array);
    }
    mapped
}

#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(place: *mut c_void, length: size_t) -> c_int {
    stores::forget(place);
    let arguments = [address(place), length.cast_signed() as c_long, 0, 0, 0, 0];
    // SAFETY: the caller's.
    unsafe { call(libc::SYS_munmap, arguments) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn send(
    socket: c_int,
    data: *const c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's.
    unsafe { sendto(socket, data, length, flags, ptr::null(), 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendto(
    socket: c_int,
    data: *const c_void,
    length: size_t,
    flags: c_int,
    destination: *const sockaddr,
    destination_length: socklen_t,
) -> ssize_t {
    /// Larger than every kind of message of `NETLINK_ROUTE`, so that the kernel refuses it.
    const NONSENSE: u16 = 0x3ff;
    const KIND: usize = 4;
    let mut arguments = [
        socket.into(),
        address(data),
        length.cast_signed() as c_long,
        flags.into(),
        address(destination),
        destination_length.into(),
    ];
    if is_netlink(socket) && length > 16 {
        // SAFETY: the caller's.
        let message = unsafe { slice::from_raw_parts(data.cast::<u8>(), length) };
        if pass(&request(message)) {
            let mut refused = message.to_vec();
            refused[KIND..KIND + 2].copy_from_slice(&NONSENSE.to_ne_bytes());
            arguments[1] = address(refused.as_ptr());
            // SAFETY: the copy outlives the call; the rest is the caller's.
            return unsafe { call(libc::SYS_sendto, arguments) as ssize_t };
        }
    }
    // SAFETY: the caller's.
    unsafe { call(libc::SYS_sendto, arguments) as ssize_t }
}

/// The name of a request: kinds of linux/rtnetlink.h, flags of linux/netlink.h.
fn request(message: &[u8]) -> Name {
    const DUMP: u16 = 0x300;
    let word = |offset: usize| u16::from_ne_bytes([message[offset], message[offset + 1]]);
    let is_list = word(6) & DUMP == DUMP;
    let name = match (word(4), is_list) {
        (18, _) => "list links",
        (22, _) => "list addresses",
        (26, true) => "list routes",
        (26, false) => "ask for routes",
        (28, _) => "write neighbour",
        (29, _) => "delete neighbour",
        (30, true) => "list neighbours",
        (30, false) => "ask for a neighbour",
        (36, _) => "write qdisc",
        (37, _) => "delete qdisc",
        (38, _) => "list qdiscs",
        (44, _) => "write filter",
        (45, _) => "delete filter",
        (46, _) => "list filters",
        (other, _) => return Name::new("netlink request ").and_number(other.into()),
    };
    Name::new(name)
}

fn is_netlink(socket: c_int) -> bool {
    let mut family: c_int = 0;
    let mut length = socklen_t::try_from(size_of::<c_int>()).unwrap_or_default();
    // SAFETY: the kernel writes at most `length` bytes to the number.
    let asked = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut family).cast(),
            &raw mut length,
        )
    };
    asked == 0 && family == libc::AF_NETLINK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recv(
    socket: c_int,
    data: *mut c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's.
    unsafe {
        recvfrom(
            socket,
            data,
            length,
            flags,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvfrom(
    socket: c_int,
    data: *mut c_void,
    length: size_t,
    flags: c_int,
    source: *mut sockaddr,
    source_length: *mut socklen_t,
) -> ssize_t {
    let arguments = [
        socket.into(),
        address(data),
        length.cast_signed() as c_long,
        flags.into(),
        address(source),
        address(source_length),
    ];
    // SAFETY: the caller's.
    let received = unsafe { call(libc::SYS_recvfrom, arguments) as ssize_t };
    // What was received is lost then, as where the kernel had no room for it.
    let is_message = received > 0 && flags & libc::MSG_PEEK == 0 && is_netlink(socket);
    if is_message && pass(&Name::new("receive from the kernel")) {
        return fail(libc::ENOBUFS);
    }
    received
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let arguments = [libc::AT_FDCWD.into(), address(path), mode.into(), 0, 0, 0];
    // SAFETY: the caller's.
    unsafe { change("make folder", path, libc::SYS_mkdirat, arguments) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let arguments = [libc::AT_FDCWD.into(), address(path), 0, 0, 0, 0];
    // SAFETY: the caller's.
    unsafe { change("remove pin ", path, libc::SYS_unlinkat, arguments) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    let folder = c_long::from(libc::AT_REMOVEDIR);
    let arguments = [libc::AT_FDCWD.into(), address(path), folder, 0, 0, 0];
    // SAFETY: the caller's.
    unsafe { change("remove folder", path, libc::SYS_unlinkat, arguments) }
}

/// A change of a folder of pins, or of any other folder, which is no point.
unsafe fn change(what: &str, path: *const c_char, number: c_long, arguments: [c_long; 6]) -> c_int {
    // SAFETY: the caller's path ends with a zero.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let part: &[u8] = if what.ends_with(' ') {
        last_part(path)
    } else {
        &[]
    };
    if path.starts_with(BPFFS) && pass(&Name::new(what).and(part)) {
        return fail(REASON);
    }
    // SAFETY: the caller's.
    unsafe { call(number, arguments) as c_int }
}

//! System calls that no safe crate wraps. IO; the only `unsafe` of this crate.

pub(crate) mod bpf;

use std::{
    ffi::{CStr, CString},
    fs::File,
    io,
    mem::{size_of, zeroed},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process::Command,
    ptr,
};

use libc::{c_int, c_uint, c_void, socklen_t};
use nix::{
    mount::{MsFlags, mount},
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

/// What `recvmsg` says about a frame besides its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Bytes written to the buffer.
    pub(crate) length: usize,
    /// The VLAN tag that the kernel took off: protocol and tag.
    pub(crate) vlan: Option<(u16, u16)>,
    /// The checksum is left for the device to fill in (`CHECKSUM_PARTIAL`).
    pub(crate) checksum_pending: bool,
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn length<T>() -> socklen_t {
    socklen_t::try_from(size_of::<T>()).unwrap()
}

/// Keeps the calling thread on one CPU.
pub(crate) fn stay_on_cpu(cpu: usize) -> io::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cpus)?)
}

/// Opens a socket.
pub(crate) fn socket(family: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the result is checked before it is owned.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor was just opened and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a tun device without packet information in front of packets, whose far end is `end`.
pub(crate) fn make_tunnel(end: &OwnedFd, interface: &str) -> io::Result<()> {
    const SET_INTERFACE: libc::c_ulong = 0x4004_54ca;
    // SAFETY: `ifreq` is plain data.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (byte, letter) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *byte = letter.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI).try_into().unwrap();
    // SAFETY: the request is one of this ioctl and lives through the call.
    check(unsafe { libc::ioctl(end.as_raw_fd(), SET_INTERFACE, &raw mut request) }).map(drop)
}

/// Binds an `AF_PACKET` socket to one interface, for frames of every protocol.
pub(crate) fn bind_packet(socket: &OwnedFd, interface: u32) -> io::Result<()> {
    // SAFETY: `sockaddr_ll` is plain data.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET.try_into().unwrap();
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap().to_be();
    address.sll_ifindex = interface.try_into().unwrap();
    bind(socket, &address)
}

/// Binds a netlink socket, to multicast groups where `groups` names some.
pub(crate) fn bind_netlink(socket: &OwnedFd, groups: u32) -> io::Result<()> {
    // SAFETY: `sockaddr_nl` is plain data.
    let mut address: libc::sockaddr_nl = unsafe { zeroed() };
    address.nl_family = libc::AF_NETLINK.try_into().unwrap();
    address.nl_groups = groups;
    bind(socket, &address)
}

fn bind<T>(socket: &OwnedFd, address: &T) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    // SAFETY: the address outlives the call and its size is given.
    check(unsafe { libc::bind(fd, ptr::from_ref(address).cast(), length::<T>()) }).map(drop)
}

/// Sets a socket option; `T` is the type that the option takes.
pub(crate) fn set_option<T>(
    socket: &impl AsRawFd,
    level: c_int,
    name: c_int,
    value: &T,
) -> io::Result<()> {
    let value = ptr::from_ref(value).cast::<c_void>();
    // SAFETY: the value outlives the call and its size is given.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, length::<T>()) })
        .map(drop)
}

/// Lets an `AF_PACKET` socket see frames for other hosts.
pub(crate) fn make_promiscuous(socket: &OwnedFd, interface: u32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: interface.try_into().unwrap(),
        mr_type: libc::PACKET_MR_PROMISC.try_into().unwrap(),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(
        socket,
        libc::SOL_PACKET,
        libc::PACKET_ADD_MEMBERSHIP,
        &request,
    )
}

/// How many frames an `AF_PACKET` socket had no room for since the last call.
pub(crate) fn packet_drops(socket: &OwnedFd) -> io::Result<u32> {
    let mut statistics = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut length = length::<libc::tpacket_stats>();
    // SAFETY: the kernel writes at most `length` bytes to the structure.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            ptr::from_mut(&mut statistics).cast(),
            &raw mut length,
        )
    })?;
    Ok(statistics.tp_drops)
}

/// Receives one message without waiting.
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Received> {
    // Room for one `tpacket_auxdata`, aligned as a control message must be.
    let mut control = [0_u64; 16];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: `msghdr` is plain data.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the message points to buffers of this function with their sizes.
    let length = unsafe {
        libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut message,
            libc::MSG_DONTWAIT | libc::MSG_TRUNC,
        )
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    assert!(
        length <= buffer.len(),
        "a message of {length} bytes is longer than the buffer of {}",
        buffer.len()
    );

    let mut received = Received {
        length,
        ..Received::default()
    };
    // SAFETY: the kernel filled in the control messages; the macros walk them within `msg_controllen`.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: not null, so it points to a control message inside `control`.
        let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
        if level == libc::SOL_PACKET && kind == libc::PACKET_AUXDATA {
            // SAFETY: a message of this type carries a `tpacket_auxdata`, maybe unaligned.
            let data = unsafe {
                ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>())
            };
            received.checksum_pending = data.tp_status & libc::TP_STATUS_CSUMNOTREADY != 0;
            if data.tp_status & libc::TP_STATUS_VLAN_VALID != 0 {
                received.vlan = Some((data.tp_vlan_tpid, data.tp_vlan_tci));
            }
        }
        // SAFETY: as above.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    Ok(received)
}

/// Puts the calling thread, and those that it starts, before all ordinary ones.
pub(crate) fn raise_priority() -> io::Result<()> {
    const HIGHEST: c_int = -20;
    const CALLER: libc::id_t = 0;
    // SAFETY: no pointers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, CALLER, HIGHEST) }).map(drop)
}

/// A descriptor that becomes readable when the process ends.
pub(crate) fn process_descriptor(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_pidfd_open,
            libc::pid_t::try_from(pid).unwrap(),
            0 as c_uint,
        )
    };
    let fd = check(c_int::try_from(fd).unwrap())?;
    // SAFETY: the descriptor was just opened and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Has a system call fail in the command's process and what that starts, as a seccomp profile does.
pub(crate) fn forbid(command: &mut Command, call: libc::c_long, errno: c_int) {
    // Of classic BPF: LD | W | ABS, JMP | JEQ | K, RET | K.
    const LOAD_NUMBER: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let instruction = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let errno = u32::try_from(errno).unwrap();
    let mut filter = [
        instruction(LOAD_NUMBER, 0, 0),
        libc::sock_filter {
            jf: 1,
            ..instruction(IF_EQUAL, 0, u32::try_from(call).unwrap())
        },
        instruction(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno),
        instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let prepare = move || {
        let program = libc::sock_fprog {
            len: 4,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the filter outlives the call, and its length is given.
        let result = unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                ptr::from_ref(&program),
            )
        };
        check(result).map(drop)
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    let _: &mut Command = unsafe { command.pre_exec(prepare) };
}

/// Runs the command's process in a network namespace, and lets it die with the thread that starts it, so that
/// nothing outlives a killed test.
pub(crate) fn run_inside(command: &mut Command, namespace: File) {
    enter(command, namespace);
    end_with_parent(command);
}

/// Runs the command's process in a network namespace.
pub(crate) fn enter(command: &mut Command, namespace: File) {
    let prepare = move || {
        nix::sched::setns(&namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
        Ok(())
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    let _: &mut Command = unsafe { command.pre_exec(prepare) };
}

/// Lets the command's process die with the thread that starts it.
pub(crate) fn end_with_parent(command: &mut Command) {
    let prepare = || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        Ok(())
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    let _: &mut Command = unsafe { command.pre_exec(prepare) };
}

/// Gives the command's process a file of its own in the place of another one, whoever reads it by its name.
pub(crate) fn bind_file(command: &mut Command, own: &Path, place: &Path) {
    let [own, place] = [own, place].map(|path| CString::new(path.as_os_str().as_bytes()).unwrap());
    let prepare = move || {
        let none = None::<&CStr>;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
        // What is mounted outside later is seen inside, and not the other way round.
        let flags = MsFlags::MS_SLAVE | MsFlags::MS_REC;
        mount(none, c"/", none, flags, none)?;
        mount(
            Some(own.as_c_str()),
            place.as_c_str(),
            none,
            MsFlags::MS_BIND,
            none,
        )?;
        Ok(())
    };
    // SAFETY: the closure makes three system calls and allocates nothing.
    let _: &mut Command = unsafe { command.pre_exec(prepare) };
}

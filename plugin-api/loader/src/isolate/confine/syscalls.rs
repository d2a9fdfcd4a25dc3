//! System calls that no driver has a reason for, through seccomp: they answer `EPERM`.

use std::collections::BTreeMap;
use std::io;

use libc::{AF_ALG, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// Other programs and processes, the machine's state, name spaces, other processes' memory, and what reaches past landlock.
const REFUSED: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_kexec_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_personality,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Keeps this thread, and those that it starts, from them; without `network`, also from the internet's sockets. Answers that it cannot be done.
///
/// # Errors
/// That the kernel refuses a filter which it could apply.
pub(super) fn restrict(network: bool) -> io::Result<Option<String>> {
    let lacking = |why: &str| Ok(Some(format!("the driver's process is not kept from system calls that no driver needs: {why}")));
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        return lacking("seccomp on this processor is not known to this program");
    };
    let filters = filters(network, arch).map_err(io::Error::other)?;
    for filter in filters {
        match apply_filter(&filter) {
            Ok(()) => {}
            Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error))
                if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
            {
                return lacking("this kernel has no seccomp");
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(None)
}

fn filters(network: bool, arch: TargetArch) -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    refused.insert(libc::SYS_clone, vec![not_a_thread()?]);
    let families: &[i32] =
        if network { &[AF_PACKET, AF_VSOCK, AF_ALG] } else { &[AF_PACKET, AF_VSOCK, AF_ALG, AF_INET, AF_INET6, AF_NETLINK] };
    refused.insert(libc::SYS_socket, families.iter().map(|family| first_is(*family)).collect::<Result<_, _>>()?);
    let refused = SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM.unsigned_abs()), arch)?;
    // Its flags are in memory, where a filter cannot look: libraries that are told that it does not exist use `clone`.
    let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let absent = SeccompFilter::new(absent, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()), arch)?;
    Ok([refused.try_into()?, absent.try_into()?])
}

/// A `clone` that makes a process.
fn not_a_thread() -> Result<SeccompRule, seccompiler::BackendError> {
    let flag = u64::from(libc::CLONE_THREAD.unsigned_abs());
    SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), 0)?])
}

fn first_is(value: i32) -> Result<SeccompRule, seccompiler::BackendError> {
    let value = u64::from(value.unsigned_abs());
    SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?])
}

//! Words that several CPUs change. The compiler takes this target for one with a single thread and offers no atomic
//! instructions, but the kernel has them: in its instruction set since 5.12, on all machines that it compiles for.

use core::arch::asm;

/// Stores `new` if the word is `expected`, in one step. Returns what the word was.
///
/// # Safety
///
/// `word` must point to an aligned word of a map.
#[inline(always)]
pub(crate) unsafe fn compare_exchange(word: *mut u64, expected: u64, new: u64) -> u64 {
    let found;
    // SAFETY: changes that word and the register that is named.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({word} + 0, r0, {new})",
            word = in(reg) word,
            new = in(reg) new,
            inlateout("r0") expected => found,
        );
    }
    found
}

/// Adds to the word, in one step.
///
/// # Safety
///
/// `word` must point to an aligned word of a map.
#[inline(always)]
pub(crate) unsafe fn add(word: *mut u64, amount: u64) {
    // SAFETY: changes that word only.
    unsafe {
        asm!(
            "lock *(u64 *)({word} + 0) += {amount}",
            word = in(reg) word,
            amount = in(reg) amount,
        );
    }
}

//! The instructions of a loaded program, as far as a walk over them needs. IO.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::{Attributes, Instruction, command, open, run};
use crate::test_run::Step;

// Commands of linux/bpf.h.
const MAP_BY_ID: u32 = 14;
const INFO: u32 = 15;

// Fields of an instruction's code.
const CLASS: u8 = 0x07;
const OPERATION: u8 = 0xf0;
const FROM_REGISTER: u8 = 0x08;
const ARITHMETIC: [u8; 2] = [4, 7];
const JUMPS: [u8; 2] = [5, 6];
const OR: u8 = 0x40;
const ALWAYS: u8 = 0x00;
const EQUAL: u8 = 0x10;
const NOT_EQUAL: u8 = 0x50;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;
const WIDE_LOAD: u8 = 0x18;
const LOAD: u8 = 1;
const STORES: [u8; 2] = [2, 3];
const ADD_NUMBER: u8 = 0x07;
const COPY: u8 = 0xbf;
/// The register that holds the end of a function's stack.
const FRAME: u8 = 10;

// What the source of a wide load, and of a call, says of its number.
const MAP: u8 = 1;
const MAP_VALUE: u8 = 2;
const FUNCTION: u8 = 1;

/// What each instruction of a program does.
pub(crate) fn read(program: &OwnedFd) -> io::Result<Vec<Step>> {
    let instructions = instructions(program)?;
    let one = |(index, instruction): (usize, &Instruction)| {
        let before = index.checked_sub(1).map(|before| instructions[before]);
        match depth(before, *instruction) {
            Some(depth) => Ok(Step::Stack(depth)),
            None => step(index, *instruction),
        }
    };
    instructions.iter().enumerate().map(one).collect()
}

/// How far down the stack an instruction reaches: it reads or writes there, or takes an address, which compilers do
/// by a copy of the end and an addition behind it.
fn depth(before: Option<Instruction>, instruction: Instruction) -> Option<u32> {
    let (to, from) = (instruction.registers & 0x0f, instruction.registers >> 4);
    let base = match instruction.code & CLASS {
        LOAD => from,
        class if STORES.contains(&class) => to,
        _ => {
            let copied = before
                .is_some_and(|before| before.code == COPY && before.registers == FRAME << 4 | to);
            let is_address = copied && instruction.code == ADD_NUMBER;
            return is_address.then(|| instruction.immediate.unsigned_abs());
        }
    };
    (base == FRAME).then(|| instruction.offset.unsigned_abs().into())
}

fn instructions(program: &OwnedFd) -> io::Result<Vec<Instruction>> {
    const BYTES: usize = 20;
    const TRANSLATED: usize = 32;
    let bytes = usize::try_from(run::info(program)?.translated).unwrap();
    let mut code = vec![Instruction::new(0, 0, 0, 0, 0); bytes / size_of::<Instruction>()];
    // `struct bpf_prog_info`, by offset: where the instructions are to go.
    let mut wanted = [0_u64; 29];
    wanted[BYTES / 8] = u64::try_from(bytes).unwrap() << 32;
    wanted[TRANSLATED / 8] = u64::try_from(code.as_mut_ptr().expose_provenance()).unwrap();
    let attributes = Attributes::default()
        .descriptor(0, program)
        .set(4, size_of_val(&wanted).try_into().unwrap())
        .point(8, wanted.as_mut_ptr());
    command(INFO, &mut { attributes })?;
    Ok(code)
}

fn step(index: usize, instruction: Instruction) -> io::Result<Step> {
    let Instruction {
        code,
        registers,
        offset,
        immediate,
    } = instruction;
    let source = registers >> 4;
    let target = |distance: i32| {
        let distance = isize::try_from(distance).unwrap() + 1;
        index.checked_add_signed(distance).unwrap()
    };
    if code == WIDE_LOAD {
        return Ok(match source {
            MAP | MAP_VALUE => Step::Map(map_name(immediate.cast_unsigned())?),
            _ => Step::Other,
        });
    }
    let class = code & CLASS;
    let operation = code & OPERATION;
    if ARITHMETIC.contains(&class) {
        return Ok(match operation {
            OR => Step::Or,
            _ => Step::Other,
        });
    }
    if !JUMPS.contains(&class) {
        return Ok(Step::Other);
    }
    let with_zero = code & FROM_REGISTER == 0 && immediate == 0;
    Ok(match operation {
        EXIT => Step::End,
        CALL if source == FUNCTION => Step::Call(target(offset.into())),
        CALL => Step::Other,
        ALWAYS if class == JUMPS[0] => Step::Jump(target(offset.into())),
        ALWAYS => Step::Jump(target(immediate)),
        _ => Step::Branch {
            to: target(offset.into()),
            on_zero: match operation {
                EQUAL if with_zero => Some(true),
                NOT_EQUAL if with_zero => Some(false),
                _ => None,
            },
        },
    })
}

fn map_name(id: u32) -> io::Result<String> {
    const NAME: usize = 24;
    let map = open(MAP_BY_ID, Attributes::default().set(0, id))?;
    // `struct bpf_map_info`, by offset.
    let mut answer = [0_u64; 11];
    let attributes = Attributes::default()
        .set(0, map.as_raw_fd().try_into().unwrap())
        .set(4, size_of_val(&answer).try_into().unwrap())
        .point(8, answer.as_mut_ptr());
    command(INFO, &mut { attributes })?;
    let bytes = answer.map(u64::to_ne_bytes).concat();
    let name = bytes[NAME..NAME + 16].split(|byte| *byte == 0).next();
    Ok(String::from_utf8_lossy(name.unwrap()).into_owned())
}

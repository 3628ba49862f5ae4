# SPDX-License-Identifier: MIT
"""Coroutines for gdb: loaded with libcopatch.so, in live processes and cores.

info coroutines             every coroutine, and what it waits for
coroutine ID COMMAND        COMMAND as if the coroutine were a thread: bt, ...
coroutine apply all COMMAND
coroutine apply ID... -- COMMAND
"""

import struct

import gdb
import gdb.unwinder

MAGIC = b"copatch\0"
VERSION = 1
LIMIT = 2000000     # of what a broken list may hold

# In the order of shim/registry.h.
FIELDS = """
    CURRENT ALL CHARGED CYCLES_ALL CPU_SEEN TIMERS TIMER_ENTRY TIMER_COUNT
    TIMER_HEAP DEADLINE DEADLINE_CO DEADLINE_ALL
    LINK REGS FS AGAIN RUNNABLE SINCE SWITCHES CYCLES CPU PARKED_BY
    TIMER_CLOCK TIMER_POS QUEUE_KEY FD_WAIT WAIT_FD WAIT_EVENTS WAIT_NEXT
    TID NAME CLEAR_TID CALL_NR CALL_ARG CALL_JOB SIGWAIT
    STUBS
""".split()

# In the order of struct co_regs.
REGISTERS = ("r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp "
             "rip eflags").split()

# As in shim/patch.h: patch_region, and patch_plan as far as it matters.
REGION = struct.Struct("<QQQ")
REGIONS, REGION_SIZE = 16, 64 << 10
PLAN = struct.Struct("<QQBB14x")
SLOT, EXIT, SYSCALL = 64, 15, 2

HEADER = struct.Struct("<8sIIQiIQQII3i")
NUMBERS = {1: "<B", 2: "<h", 4: "<i", 8: "<Q"}


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


class Coroutine:
    """One of them, as it was when gdb looked."""

    def __init__(self, registry, address):
        data = read(address, registry.thread_size)

        def number(field):
            at, size = registry.where[field]
            return struct.unpack_from(NUMBERS[size], data, at)[0]

        self.address = address
        self.id = number("TID")
        at, size = registry.where["NAME"]
        self.name = data[at:at + size].split(b"\0")[0].decode(errors="replace")
        at, size = registry.where["REGS"]
        self.registers = dict(zip(REGISTERS, struct.unpack_from(
            f"<{len(REGISTERS)}Q", data, at)))
        self.registers["rip"] = registry.original(self.registers["rip"])
        self.registers["fs_base"] = number("FS")
        at, _ = registry.where["LINK"]
        self.next, self.before = struct.unpack_from("<QQ", data, at)
        self.running = address == registry.current
        self.parked = not self.running and number("AGAIN") and \
            not number("RUNNABLE")
        self.key = number("QUEUE_KEY")
        self.job = number("CALL_JOB")
        self.timed = number("TIMER_POS")
        at = registry.where["FD_WAIT"][0] + registry.where["WAIT_FD"][0]
        self.fd = struct.unpack_from("<i", data, at)[0]
        self.sigwait = number("SIGWAIT")

    def state(self):
        return "running" if self.running else \
            "parked" if self.parked else "runnable"

    def waits(self):
        """What it waits for, in a word or two."""
        if not self.parked:
            return ""
        if self.job:
            return "helper"
        if self.fd >= 0:
            text = f"fd {self.fd}"
        elif self.key == 1:
            text = "child"
        elif self.key:
            text = f"futex {self.key:#x}"
        elif self.sigwait or not self.timed:
            text = "signal"
        else:
            return "deadline"
        return text + (", deadline" if self.timed else "")


class Registry:
    """Where everything is, by what the library itself says."""

    def __init__(self):
        try:
            address = int(gdb.parse_and_eval(
                "(unsigned long)&copatch_registry"))
        except gdb.error:
            raise gdb.GdbError("libcopatch.so is not loaded") from None
        (magic, version, _, carrier, _, fields, _, _, _, self.thread_size,
         *_) = HEADER.unpack(read(address, HEADER.size))
        if magic != MAGIC or version != VERSION or fields < len(FIELDS):
            raise gdb.GdbError("this libcopatch.so is of another version")
        if not carrier:
            raise gdb.GdbError("copatch is not in charge of this process")
        data = read(address + HEADER.size, 4 * len(FIELDS))
        self.where = dict(zip(FIELDS, struct.iter_unpack("<HH", data)))
        self.current = struct.unpack("<Q", read(
            carrier + self.where["CURRENT"][0], 8))[0]
        self.head = carrier + self.where["ALL"][0]
        stubs = struct.unpack("<Q", read(
            carrier + self.where["STUBS"][0], 8))[0]
        self.regions = [] if not stubs else list(REGION.iter_unpack(
            read(stubs, REGIONS * REGION.size)))

    def original(self, ip):
        """Where a thread is in the program: not in a stub of the side door."""
        for at, plans, _ in self.regions:
            if not at or not 0 <= ip - at < REGION_SIZE:
                continue
            slot, offset = divmod(ip - at, SLOT)
            begin, site, before, after = PLAN.unpack(
                read(plans + slot * PLAN.size, PLAN.size))
            behind = before + EXIT + SYSCALL
            if not begin:
                break
            if offset < before:
                return begin + offset
            if offset < behind or not after:
                return site
            return site + SYSCALL + min(offset - behind, after)
        return ip

    def coroutines(self):
        link = self.where["LINK"][0]
        before, at = self.head, struct.unpack("<Q", read(self.head, 8))[0]
        for _ in range(LIMIT):
            if at == self.head:
                return
            co = Coroutine(self, at - link)
            if co.before != before:
                raise gdb.GdbError("the list of coroutines is being changed "
                                   "right here: step on a little")
            if co.id:       # else it is being born
                yield co
            before, at = at, co.next


class Unwinder(gdb.unwinder.Unwinder):
    """Puts a coroutine behind the innermost frame of the selected thread.

    That works in a core too, where registers cannot be written.
    """

    def __init__(self):
        super().__init__("copatch")
        self.registers = None
        self.innermost = None

    def __call__(self, pending):
        if self.registers is None:
            return out_of_a_stub(pending)
        here = (int(pending.read_register("rsp")),
                int(pending.read_register("rip")))
        if here != self.innermost:
            return None
        # Younger than every frame of the coroutine, or gdb would not go on.
        info = pending.create_unwind_info(
            FrameId(self.registers["rsp"] - 256, here[1]))
        for name, value in self.registers.items():
            kind = pending.read_register(name).type
            raw = struct.pack("<Q", value)[:kind.sizeof]
            info.add_saved_register(name, gdb.Value(raw, kind))
        return info


def out_of_a_stub(pending):
    """The stub's caller is the place in the program that it stands for."""
    ip = int(pending.read_register("rip"))
    if gdb.solib_name(ip):
        return None
    try:
        original = Registry().original(ip)
    except gdb.error:
        return None
    if original == ip:
        return None
    sp = pending.read_register("rsp")
    info = pending.create_unwind_info(FrameId(int(sp) - 256, ip))
    for name in REGISTERS:
        info.add_saved_register(name, pending.read_register(name))
    # A return address, to gdb: it looks at the byte before.
    info.add_saved_register("rip", gdb.Value(original + 1).cast(
        pending.read_register("rip").type))
    return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp = gdb.Value(sp)
        self.pc = gdb.Value(pc)


class HideInnermost:
    """A frame filter: the thread's own frame is not the coroutine's.

    Nor are the functions that were inlined into it.
    """

    def __init__(self):
        self.name = "copatch"
        self.priority = 1000
        self.enabled = False

    def filter(self, frames):
        for frame in frames:
            if frame.inferior_frame().type() != gdb.INLINE_FRAME:
                break
        return frames


unwinder = Unwinder()
hide = HideInnermost()


class Inside:
    """While this lasts, frames are those of the coroutine."""

    def __init__(self, co):
        self.co = co

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.frame = gdb.selected_frame()
        if self.co.running:
            select_carrier()
            gdb.newest_frame().select()
            if not ends_in_copatch():
                return
        newest = gdb.newest_frame()
        unwinder.innermost = (int(newest.read_register("rsp")),
                              int(newest.read_register("rip")))
        unwinder.registers = self.co.registers
        hide.enabled = True
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame()
        while frame is not None and frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        frame = frame and frame.older()
        if frame is None:
            raise gdb.GdbError("gdb finds no frames of this coroutine")
        frame.select()

    def __exit__(self, *_):
        unwinder.registers = None
        hide.enabled = False
        gdb.invalidate_cached_frames()
        self.thread.switch()
        gdb.newest_frame().select()


def ends_in_copatch():
    """Not every way onto the carrier's own stack can be followed back.

    Then the registers are good that the coroutine had at the door.
    """
    frame = gdb.newest_frame()
    for _ in range(64):
        older = frame.older()
        if older is None:
            return "libcopatch.so" in (gdb.solib_name(frame.pc()) or "")
        frame = older
    return False


def select_carrier():
    """The kernel's thread that runs coroutines is the process's first."""
    inferior = gdb.selected_inferior()
    for thread in inferior.threads():
        if thread.ptid[1] == inferior.pid:
            thread.switch()


def is_inlined_door(frame):
    """What the doors have inlined says nothing that their own names do not."""
    return frame.type() == gdb.INLINE_FRAME and \
        "libcopatch.so" in (gdb.solib_name(frame.pc()) or "")


def innermost(co, count=3):
    """The names of a few frames."""
    names = []
    try:
        with Inside(co):
            frame = gdb.selected_frame()
            while frame is not None and len(names) < count:
                name = frame.name()
                if name and name != "co_syscall" and not is_inlined_door(frame):
                    names.append(name.split("(")[0])
                frame = frame.older()
    except gdb.error:
        pass
    return " < ".join(names)


def find(number):
    for co in Registry().coroutines():
        if co.id == number:
            return co
    raise gdb.GdbError(f"no coroutine {number}: see info coroutines")


class InfoCoroutines(gdb.Command):
    """Every coroutine of the program: info coroutines"""

    def __init__(self):
        super().__init__("info coroutines", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        print(f"  {'Id':>9} {'Name':15} {'State':8} {'Waits for':26} Frames")
        for co in list(Registry().coroutines()):
            mark = "*" if co.running else " "
            print(f"{mark} {co.id:9} {co.name:15} {co.state():8} "
                  f"{co.waits():26} {innermost(co)}")


class CoroutineCommand(gdb.Command):
    """Apply a command to a coroutine as if it were the selected thread.

    coroutine ID COMMAND
    coroutine apply all COMMAND
    coroutine apply ID... -- COMMAND
    """

    def __init__(self):
        super().__init__("coroutine", gdb.COMMAND_STACK)

    def apply(self, coroutines, command):
        for co in coroutines:
            print(f"\nCoroutine {co.id} \"{co.name}\" ({co.state()}):")
            with Inside(co):
                gdb.execute(command)

    def invoke(self, argument, from_tty):
        words = argument.split()
        if not words:
            for co in Registry().coroutines():
                if co.running:
                    print(f"Coroutine {co.id} \"{co.name}\" runs.")
                    return
            print("No coroutine runs: copatch waits for the kernel.")
        elif words[0] == "apply" and len(words) > 2 and words[1] == "all":
            self.apply(list(Registry().coroutines()), " ".join(words[2:]))
        elif words[0] == "apply" and "--" in words:
            at = words.index("--")
            self.apply([find(self.number(word)) for word in words[1:at]],
                       " ".join(words[at + 1:]) or "bt")
        elif len(words) > 1 and words[0] != "apply":
            with Inside(find(self.number(words[0]))):
                gdb.execute(" ".join(words[1:]))
        else:
            raise gdb.GdbError("usage: coroutine ID COMMAND, or coroutine "
                               "apply all COMMAND")

    def number(self, word):
        try:
            return int(word, 0)
        except ValueError:
            raise gdb.GdbError(f"'{word}' is not the id of a coroutine: see "
                               "info coroutines") from None


gdb.unwinder.register_unwinder(None, unwinder, replace=True)
gdb.frame_filters[hide.name] = hide
InfoCoroutines()
CoroutineCommand()
# The doors come in by SIGSYS; signal 33 ends calls of helpers early.
gdb.execute("handle SIGSYS nostop noprint pass", to_string=True)
gdb.execute("handle SIG33 nostop noprint pass", to_string=True)

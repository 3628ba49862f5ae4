/* SPDX-License-Identifier: MIT */
/* TIMEOUT: 60 */
/* System calls made so often that they are worth patching: interrupted, cancelled, unwound. */
#include "../helpers.h"
#include <execinfo.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#define LINES     1500
#define THREADS   60
#define YIELDS    2000
#define IN_READER __attribute__((noinline, section("reader_text")))

extern const char __start_reader_text[], __stop_reader_text[];

static int ends[2];
static volatile int hits, unwound;
static volatile int blocked, cleaned;
static sem_t never;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void handler(int signal T_UNUSED)
{
	void *frames[32];
	int n = backtrace(frames, 32);

	for (int i = 0; i < n; i++) {
		if ((char *)frames[i] >= __start_reader_text &&
		    (char *)frames[i] < __stop_reader_text) {
			unwound++;
			break;
		}
	}
	hits++;
}

IN_READER static void *reads_lines(void *arg T_UNUSED)
{
	FILE *file = fdopen(ends[0], "r");
	char line[64];
	long sum = 0;

	setvbuf(file, NULL, _IOFBF, 64);
	while (fgets(line, sizeof(line), file))
		sum += atol(line);
	fclose(file);
	return (void *)sum;
}

/* The read of stdio is made again each time, and nothing is lost or read twice. */
static void lines(void)
{
	pthread_t reader;
	long sum = 0;

	T_OK(pipe(ends));
	t_handler(SIGUSR1, handler, SA_RESTART);
	reader = t_thread(reads_lines, NULL);
	t_settle();
	for (int i = 0; i < LINES; i++) {
		int before = hits;
		char line[64];

		T_ZERO(pthread_kill(reader, SIGUSR1));
		while (hits == before)
			sched_yield();
		T_OK(write(ends[1], line, (size_t)sprintf(line, "%d\n", i * 7)));
		sum += i * 7;
	}
	close(ends[1]);
	t_check("every line once", (long)t_join(reader) == sum);
	t_check("every signal handled", hits == LINES);
	t_check("every handler sees who was interrupted", unwound == LINES);
}

static void *waits_raw(void *arg)
{
	uint32_t word = 0;
	long interrupted = 0;

	while (interrupted < LINES) {
		blocked = 1;
		if (syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL) < 0 && errno == EINTR)
			interrupted++;
		else
			*(int *)arg = 1;
	}
	return (void *)interrupted;
}

/* Without SA_RESTART a futex wait with a timeout or without ends, each time. */
static void interrupted(void)
{
	pthread_t thread;
	int wrong = 0;

	t_handler(SIGUSR1, handler, 0);
	blocked = hits = 0;
	thread = t_thread(waits_raw, &wrong);
	for (int i = 0; i < LINES; i++) {
		int before = hits;

		while (!blocked)
			sched_yield();
		blocked = 0;
		usleep(100);
		T_ZERO(pthread_kill(thread, SIGUSR1));
		while (hits == before)
			sched_yield();
	}
	t_check("every wait interrupted", (long)t_join(thread) == LINES && !wrong);
}

static void clean(void *arg T_UNUSED)
{
	__atomic_add_fetch(&cleaned, 1, __ATOMIC_RELAXED);
}

static void clean_lock(void *arg T_UNUSED)
{
	__atomic_add_fetch(&cleaned, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
}

static void *in_sem(void *arg T_UNUSED)
{
	pthread_cleanup_push(clean, NULL);
	__atomic_add_fetch(&blocked, 1, __ATOMIC_RELAXED);
	sem_wait(&never);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *in_cond(void *arg T_UNUSED)
{
	pthread_mutex_lock(&lock);
	pthread_cleanup_push(clean_lock, NULL);
	__atomic_add_fetch(&blocked, 1, __ATOMIC_RELAXED);
	for (;;)
		pthread_cond_wait(&cond, &lock);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *in_read(void *arg)
{
	char c;

	pthread_cleanup_push(clean, NULL);
	__atomic_add_fetch(&blocked, 1, __ATOMIC_RELAXED);
	T_OK(read(*(int *)arg, &c, 1));
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancelled(const char *what, void *(*waits)(void *))
{
	pthread_t threads[THREADS];
	int good = 0;

	blocked = cleaned = 0;
	for (int i = 0; i < THREADS; i++)
		threads[i] = t_thread(waits, ends);
	while (blocked < THREADS)
		usleep(1000);
	t_settle();
	for (int i = 0; i < THREADS; i++)
		T_ZERO(pthread_cancel(threads[i]));
	for (int i = 0; i < THREADS; i++)
		good += t_join(threads[i]) == PTHREAD_CANCELED;
	t_check(what, good == THREADS && cleaned == THREADS);
}

struct registers {
	uint64_t general[8];
	uint8_t xmm[16][16];
};

/* What the kernel keeps over a call: all but %rax, %rcx and %r11. */
#define YIELD(before, after)                                                                    \
	__asm__ volatile(before "mov $24, %%eax\n\tsyscall\n\t" after                           \
			 :                                                                      \
			 : "b"(r)                                                               \
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",  \
			   "r13", "r14", "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", \
			   "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",    \
			   "xmm12", "xmm13", "xmm14", "xmm15")

#define LOAD(n)  "movups 64+16*" #n "(%%rbx), %%xmm" #n "\n\t"
#define STORE(n) "movups %%xmm" #n ", 64+16*" #n "(%%rbx)\n\t"
#define ALL(op)                                                                                 \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) \
		op(14) op(15)

__attribute__((noinline)) static void yield_plain(struct registers *r)
{
	YIELD("mov (%%rbx), %%rdx\n\tmov 8(%%rbx), %%rsi\n\tmov 16(%%rbx), %%rdi\n\t"
	      "mov 24(%%rbx), %%r8\n\tmov 32(%%rbx), %%r9\n\tmov 40(%%rbx), %%r10\n\t"
	      "mov 48(%%rbx), %%r12\n\tmov 56(%%rbx), %%r15\n\t" ALL(LOAD),
	      ALL(STORE) "mov %%rdx, (%%rbx)\n\tmov %%rsi, 8(%%rbx)\n\tmov %%rdi, 16(%%rbx)\n\t"
			 "mov %%r8, 24(%%rbx)\n\tmov %%r9, 32(%%rbx)\n\tmov %%r10, 40(%%rbx)\n\t"
			 "mov %%r12, 48(%%rbx)\n\tmov %%r15, 56(%%rbx)\n\t");
}

#define LOAD_Y(n)  "vmovups 32*" #n "(%%rbx), %%ymm" #n "\n\t"
#define STORE_Y(n) "vmovups %%ymm" #n ", 32*" #n "(%%rbx)\n\t"

__attribute__((noinline)) static void yield_avx(uint8_t (*r)[32])
{
	YIELD(ALL(LOAD_Y), ALL(STORE_Y) "vzeroupper\n\t");
}

#define LOAD_Z(n)  "vmovups 64*" #n "(%%rbx), %%zmm" #n "\n\t"
#define STORE_Z(n) "vmovups %%zmm" #n ", 64*" #n "(%%rbx)\n\t"
#define HIGH(op)                                                                                   \
	op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) \
		op(29) op(30) op(31)

__attribute__((noinline)) static void yield_avx512(uint8_t (*r)[64])
{
	YIELD(HIGH(LOAD_Z) "kmovq 0(%%rbx), %%k1\n\tkmovq 8(%%rbx), %%k7\n\t",
	      HIGH(STORE_Z) "kmovq %%k1, 0(%%rbx)\n\tkmovq %%k7, 8(%%rbx)\n\t");
}

#define LOAD_H(n)  "vmovups 32*" #n "(%%rbx), %%ymm" #n "\n\t"
#define STORE_H(n) "vmovups %%ymm" #n ", 32*" #n "(%%rbx)\n\t"

__attribute__((noinline)) static void yield_high(uint8_t (*r)[32])
{
	YIELD(HIGH(LOAD_H) "kmovq 0(%%rbx), %%k1\n\tkmovq 8(%%rbx), %%k7\n\t",
	      HIGH(STORE_H) "kmovq %%k1, 0(%%rbx)\n\tkmovq %%k7, 8(%%rbx)\n\t");
}

/* Three numbers on the stack of the x87 over the call. */
__attribute__((noinline)) static bool yield_x87(double a)
{
	double r[3] = {a, a + 1, a + 2}, got[3];

	YIELD("fldl (%%rbx)\n\tfldl 8(%%rbx)\n\tfldl 16(%%rbx)\n\t",
	      "fstpl 16(%%rbx)\n\tfstpl 8(%%rbx)\n\tfstpl (%%rbx)\n\t");
	memcpy(got, r, sizeof(got));
	return got[0] == a && got[1] == a + 1 && got[2] == a + 2;
}

/* What it finds set after the call, of the carry flag (1) and of alignment checks (2). */
__attribute__((noinline)) static int yield_flags(void)
{
	long flags;

	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torl $0x40001, (%%rsp)\n\tpopfq\n\t"
			 "mov $24, %%eax\n\tsyscall\n\t"
			 "pushfq\n\tmov (%%rsp), %0\n\tandl $~0x40001, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : "=b"(flags)
			 :
			 : "rax", "rcx", "r11", "memory", "cc");
	return (flags & 1) | (flags >> 17 & 2);
}

/* No instruction in it touches what passes through it. */
double yield_through(double passing);
__asm__(".text\n\t.type yield_through, @function\nyield_through:\n\t.cfi_startproc\n\t"
	"mov $24, %eax\n\tsyscall\n\tret\n\t.cfi_endproc\n\t"
	".size yield_through, . - yield_through\n");

static bool kept(void (*yield)(void *), size_t size, unsigned seed)
{
	uint8_t want[2048] __attribute__((aligned(64))), have[2048] __attribute__((aligned(64)));

	for (size_t i = 0; i < size; i++)
		want[i] = (uint8_t)(seed * 31 + i * 7 + i / 16);
	memcpy(have, want, size);
	yield(have);
	return !memcmp(want, have, size);
}

enum kind { PLAIN, THROUGH, X87, AVX, HIGH_HALF, HIGH_ALL };

static bool keeps_one(enum kind kind, unsigned seed)
{
	switch (kind) {
	case PLAIN:
		return kept((void (*)(void *))yield_plain, sizeof(struct registers), seed);
	case THROUGH:
		return yield_through(seed) == seed;
	case X87:
		return yield_x87(seed);
	case AVX:
		return !__builtin_cpu_supports("avx") ||
		       kept((void (*)(void *))yield_avx, 512, seed);
	case HIGH_HALF:
		return !__builtin_cpu_supports("avx512bw") ||
		       kept((void (*)(void *))yield_high, 1024, seed);
	default:
		return !__builtin_cpu_supports("avx512bw") ||
		       kept((void (*)(void *))yield_avx512, 2048, seed);
	}
}

static enum kind kinds[2];

static void *keeps(void *arg)
{
	unsigned seed = (unsigned)(intptr_t)arg;
	intptr_t bad = 0;

	/* Nothing from before in the upper halves. */
	bad += !keeps_one(HIGH_HALF, seed);
	for (unsigned i = 0; i < YIELDS; i++)
		bad += !keeps_one(kinds[i / 3 % 2], seed + i);
	return (void *)bad;
}

static void registers(void)
{
	static const enum kind pairs[][2] = {
		{PLAIN, PLAIN},   {THROUGH, PLAIN},      {X87, PLAIN},   {AVX, PLAIN},
		{AVX, HIGH_HALF}, {HIGH_ALL, HIGH_HALF}, {HIGH_ALL, X87}};

	__builtin_cpu_init();
	for (unsigned k = 0; k < T_COUNT(pairs); k++) {
		pthread_t threads[5];
		intptr_t bad = 0;

		memcpy(kinds, pairs[k], sizeof(kinds));
		for (int i = 0; i < 5; i++)
			threads[i] = t_thread(keeps, (void *)(intptr_t)(i * 1001));
		for (int i = 0; i < 5; i++)
			bad += (intptr_t)t_join(threads[i]);
		t_check("all registers kept", !bad);
	}
}

static volatile bool checks_end;

static void *checks_alignment(void *arg T_UNUSED)
{
	intptr_t bad = 0;

	while (!checks_end)
		bad += yield_flags() != 3;
	return (void *)bad;
}

/* What a thread has switched on is its own, even beside one that waits in a function of libc's. */
static void alignment(void)
{
	pthread_t thread = t_thread(checks_alignment, NULL);
	char bytes[16] = {0};
	uint64_t sum = 0;

	for (int i = 0; i < 100; i++) {
		usleep(100);
		sum += *(volatile uint64_t *)(bytes + 1);
	}
	checks_end = true;
	t_check("flags kept", !t_join(thread) && !sum);
}

/* Five bytes are found for a jump only with the instruction behind the call. */
IN_READER static long read_raw(int fd, void *to, size_t n)
{
	long ret;

	__asm__ volatile("xor %%eax, %%eax\n\tsyscall\n\tcmp $-4096, %%rax"
			 : "=&a"(ret)
			 : "D"(fd), "S"(to), "d"(n)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

static sem_t in_handler, leave_handler;

static void waiting_handler(int signal)
{
	handler(signal);
	sem_post(&in_handler);
	sem_wait(&leave_handler);
}

static void *reads_raw(void *arg)
{
	int *fds = arg;
	char c = 0;
	long got = read_raw(fds[0], &c, 1);

	return (void *)(got * 1000 + c);
}

/* The site is patched while one thread waits in it and another one was interrupted there. */
static void under_way(void)
{
	pthread_t waits, handles;
	int other[2], full[2];
	char c = 'a';

	sem_init(&in_handler, 0, 0);
	sem_init(&leave_handler, 0, 0);
	T_OK(pipe(ends));
	T_OK(pipe(other));
	T_OK(pipe(full));
	t_handler(SIGUSR1, waiting_handler, 0);
	waits = t_thread(reads_raw, ends);
	handles = t_thread(reads_raw, other);
	t_settle();
	unwound = hits = 0;
	T_ZERO(pthread_kill(handles, SIGUSR1));
	sem_wait(&in_handler);
	for (int i = 0; i < 100; i++) {
		T_OK(write(full[1], "x", 1));
		if (read_raw(full[0], &c, 1) != 1 || c != 'x')
			t_check("reads", false);
	}
	T_OK(write(ends[1], "y", 1));
	t_check("the one that waits goes on", (long)t_join(waits) == 1000 + 'y');
	sem_post(&leave_handler);
	t_check("the interrupted one goes on", (long)t_join(handles) == -EINTR * 1000);
	/* Once more, now that the site is patched, with the call made again. */
	t_handler(SIGUSR1, handler, SA_RESTART);
	handles = t_thread(reads_raw, other);
	for (int i = 0; i < 5; i++) {
		int before = hits;

		t_settle();
		T_ZERO(pthread_kill(handles, SIGUSR1));
		while (hits == before)
			sched_yield();
	}
	T_OK(write(other[1], "z", 1));
	t_check("the call is made again", (long)t_join(handles) == 1000 + 'z');
	t_check("every handler sees who was interrupted", unwound == hits && hits == 6);
}

int main(void)
{
	void *frame[1];

	backtrace(frame, 1); /* loads libgcc */
	sem_init(&never, 0, 0);
	lines();
	interrupted();
	registers();
	alignment();
	under_way();
	T_OK(pipe(ends));
	for (int round = 0; round < 3; round++) {
		cancelled("cancelled in sem_wait", in_sem);
		cancelled("cancelled in pthread_cond_wait", in_cond);
		cancelled("cancelled in read", in_read);
	}
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/* TIMEOUT: 60 */
/* Vector registers of each in a crowd are its own across system calls, few or all in use. */
#include "../helpers.h"

#define CROWD  2600
#define ROUNDS 4

static pthread_barrier_t all_here;

/* Registers as so many quarters of 16 bytes, through one call of the kernel's. */
static void call_sse(uint64_t (*v)[2], long nr)
{
	__asm__ volatile("movups (%[v]), %%xmm0\n\tmovups 16(%[v]), %%xmm1\n\t"
			 "movups 32(%[v]), %%xmm7\n\tmovups 48(%[v]), %%xmm15\n\t"
			 "syscall\n\t"
			 "movups %%xmm0, (%[v])\n\tmovups %%xmm1, 16(%[v])\n\t"
			 "movups %%xmm7, 32(%[v])\n\tmovups %%xmm15, 48(%[v])"
			 : "+a"(nr)
			 : [v] "r"(v)
			 : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm7", "xmm15");
}

__attribute__((target("avx"))) static void call_avx(uint64_t (*v)[2], long nr)
{
	__asm__ volatile("vmovups (%[v]), %%ymm0\n\tvmovups 32(%[v]), %%ymm9\n\t"
			 "syscall\n\t"
			 "vmovups %%ymm0, (%[v])\n\tvmovups %%ymm9, 32(%[v])\n\tvzeroupper"
			 : "+a"(nr)
			 : [v] "r"(v)
			 : "rcx", "r11", "memory", "xmm0", "xmm9");
}

__attribute__((target("avx512f"))) static void call_avx512(uint64_t (*v)[2], long nr)
{
	__asm__ volatile("vmovups (%[v]), %%zmm16\n\tvmovups 64(%[v]), %%zmm20\n\t"
			 "vmovups 128(%[v]), %%zmm30\n\tvmovups 192(%[v]), %%zmm31\n\t"
			 "vmovups 256(%[v]), %%zmm17\n\tvmovups 320(%[v]), %%zmm18\n\t"
			 "vmovups 384(%[v]), %%zmm19\n\tvmovups 448(%[v]), %%zmm21\n\t"
			 "kmovw (%[v]), %%k3\n\t"
			 "syscall\n\t"
			 "kmovw %%k3, %%ecx\n\tmov %%cx, 512(%[v])\n\t"
			 "vmovups %%zmm16, (%[v])\n\tvmovups %%zmm20, 64(%[v])\n\t"
			 "vmovups %%zmm30, 128(%[v])\n\tvmovups %%zmm31, 192(%[v])\n\t"
			 "vmovups %%zmm17, 256(%[v])\n\tvmovups %%zmm18, 320(%[v])\n\t"
			 "vmovups %%zmm19, 384(%[v])\n\tvmovups %%zmm21, 448(%[v])"
			 : "+a"(nr)
			 : [v] "r"(v)
			 : "rcx", "r11", "memory", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",
			   "xmm21", "xmm30", "xmm31", "k3");
}

static void fill(uint64_t (*v)[2], int parts, uint64_t id, int round)
{
	memset(v, 0, 33 * 16);
	/* Some have next to nothing in use, some have all. */
	for (int i = 0; i < parts; i++) {
		if (id % 4 < 3 && i % 4 >= (int)(id % 4))
			continue;
		v[i][round % 2] = id << 32 | (unsigned)(i + 1) << 8 | (unsigned)round;
		if (id % 8 == 7)
			v[i][1 - round % 2] = ~id;
	}
}

static void *work(void *arg)
{
	static const long nr[] = {SYS_sched_yield, SYS_sched_yield, SYS_getppid, SYS_sched_yield};
	uint64_t id = (uintptr_t)arg, v[33][2], want[33][2];
	long wrong = 0;

	pthread_barrier_wait(&all_here);
	for (int round = 0; round < ROUNDS; round++) {
		fill(want, 4, id, round);
		memcpy(v, want, sizeof(v));
		call_sse(v, nr[round]);
		wrong += memcmp(v, want, 64) != 0;
		if (__builtin_cpu_supports("avx")) {
			memcpy(v, want, sizeof(v));
			call_avx(v, nr[round]);
			wrong += memcmp(v, want, 64) != 0;
		}
		if (__builtin_cpu_supports("avx512f")) {
			fill(want, 32, id, round);
			memcpy(v, want, sizeof(v));
			call_avx512(v, nr[round]);
			wrong += memcmp(v, want, 512) != 0 || (v[32][0] ^ v[0][0]) & 0xffff;
		}
	}
	pthread_barrier_wait(&all_here);
	return (void *)wrong;
}

int main(void)
{
	static pthread_t thread[CROWD];
	pthread_attr_t attr;
	long wrong = 0;

	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setstacksize(&attr, 65536));
	T_ZERO(pthread_barrier_init(&all_here, NULL, CROWD));
	for (uintptr_t i = 0; i < CROWD; i++)
		T_ZERO(pthread_create(&thread[i], &attr, work, (void *)(i + 1)));
	for (int i = 0; i < CROWD; i++)
		wrong += (long)t_join(thread[i]);
	t_say("wrong %ld", wrong);
	return t_done();
}

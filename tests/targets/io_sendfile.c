/* SPDX-License-Identifier: MIT */
/* sendfile and splice move a megabyte between file, pipe and socket while the reader is slow. */
#include "../helpers.h"

#include <sys/sendfile.h>

#define SIZE (1 << 20)

static char *data;

static void *reads(void *arg)
{
	char buffer[16384];
	uint32_t sum = 1;
	ssize_t n;

	while ((n = read(*(int *)arg, buffer, sizeof(buffer))) > 0) {
		sum = t_checksum(sum, buffer, n);
		t_nap(1);
	}
	return (void *)(uintptr_t)sum;
}

struct job {
	int from, to;
};

static void *splices(void *arg)
{
	struct job *job = arg;
	intptr_t moved = 0;
	ssize_t n;

	while ((n = splice(job->from, NULL, job->to, NULL, 65536, 0)) > 0)
		moved += n;
	close(job->to);
	return (void *)(n < 0 ? -(intptr_t)errno : moved);
}

int main(void)
{
	int file, pair[2], first[2], second[2];
	uint32_t expected;
	pthread_t reader, in, out;
	struct job job_in, job_out;
	off_t offset = 0;

	data = malloc(SIZE);
	for (int i = 0; i < SIZE; i++)
		data[i] = i * 13 + (i >> 11);
	expected = t_checksum(1, data, SIZE);
	file = T_OK(open("file", O_CREAT | O_RDWR, 0600));
	t_write_all(file, data, SIZE);

	t_tcp_pair(pair);
	reader = t_thread(reads, &pair[1]);
	while (offset < SIZE)
		T_OK(sendfile(pair[0], file, &offset, SIZE - offset));
	close(pair[0]);
	t_say("sendfile to a socket moved %ld", (long)offset);
	t_check("whole", (uintptr_t)t_join(reader) == expected);

	T_OK(pipe(first));
	reader = t_thread(reads, &first[0]);
	for (offset = 0; offset < SIZE;)
		T_OK(sendfile(first[1], file, &offset, SIZE - offset));
	close(first[1]);
	t_say("sendfile to a pipe moved %ld", (long)offset);
	t_check("whole", (uintptr_t)t_join(reader) == expected);
	close(first[0]);

	/* file -> pipe -> socket -> pipe, each leg in a thread of its own */
	T_OK(pipe(first));
	T_OK(pipe(second));
	t_tcp_pair(pair);
	T_OK(lseek(file, 0, SEEK_SET));
	job_in = (struct job){first[0], pair[0]};
	job_out = (struct job){pair[1], second[1]};
	reader = t_thread(reads, &second[0]);
	out = t_thread(splices, &job_out);
	in = t_thread(splices, &job_in);
	t_settle();
	t_say("file to pipe %ld", (long)(intptr_t)splices(&(struct job){file, first[1]}));
	t_say("pipe to socket %ld", (long)(intptr_t)t_join(in));
	t_say("socket to pipe %ld", (long)(intptr_t)t_join(out));
	t_check("whole", (uintptr_t)t_join(reader) == expected);

	T_OK(pipe(first));
	T_OK(pipe(second));
	T_OK(write(first[1], "copied", 6));
	t_say("tee %zd", tee(first[0], second[1], 100, 0));
	close(second[1]);
	close(first[1]);
	t_check("both have it", reads(&first[0]) == reads(&second[0]));
	return t_done();
}

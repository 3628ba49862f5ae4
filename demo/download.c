/* SPDX-License-Identifier: MIT */
/*
 * Fetches URLs with libcurl, a few plain threads at a time, and prints length and CRC-32 of each
 * answer. An ordinary program: it knows nothing of copatch.
 *
 * usage: download THREADS URL...
 */
/* LIBS: -pthread -lcurl */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 100000

struct answer {
	const char *url;
	size_t size;
	uint32_t crc;
	char error[CURL_ERROR_SIZE]; /* empty: all is well */
};

static struct answer *answers;
static size_t count;
static atomic_size_t next;

static size_t take(char *data, size_t one, size_t size, void *arg)
{
	struct answer *a = arg;

	a->size += one * size;
	for (size_t i = 0; i < size; i++) {
		a->crc ^= (uint8_t)data[i];
		for (int bit = 0; bit < 8; bit++)
			a->crc = a->crc >> 1 ^ (a->crc & 1 ? 0xedb88320 : 0);
	}
	return one * size;
}

static void fetch(struct answer *a)
{
	CURL *curl = curl_easy_init();
	CURLcode code;

	if (!curl) {
		strcpy(a->error, "no memory");
		return;
	}
	a->crc = UINT32_MAX;
	curl_easy_setopt(curl, CURLOPT_URL, a->url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, a->error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK && !a->error[0])
		snprintf(a->error, sizeof(a->error), "%s", curl_easy_strerror(code));
	a->crc = ~a->crc;
	curl_easy_cleanup(curl);
}

static void *work(void *unused)
{
	size_t i;

	while ((i = atomic_fetch_add(&next, 1)) < count)
		fetch(&answers[i]);
	return unused;
}

int main(int argc, char **argv)
{
	char *end = "";
	long threads = argc > 1 ? strtol(argv[1], &end, 10) : 0;
	pthread_t *thread;
	int status = 0;

	if (argc < 3 || *end || threads < 1 || threads > THREADS_MAX) {
		fprintf(stderr, "download: usage: download THREADS URL..., from 1 to %d threads\n",
			THREADS_MAX);
		return 125;
	}
	count = (size_t)argc - 2;
	answers = calloc(count, sizeof(*answers));
	thread = calloc((size_t)threads, sizeof(*thread));
	if (!answers || !thread || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		fputs("download: no memory\n", stderr);
		return 125;
	}
	for (size_t i = 0; i < count; i++)
		answers[i].url = argv[i + 2];
	for (long i = 0; i < threads; i++) {
		int error = pthread_create(&thread[i], NULL, work, NULL);

		if (error) {
			fprintf(stderr, "download: thread %ld: %s\n", i + 1, strerror(error));
			return 125;
		}
	}
	for (long i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 0; i < count; i++) {
		const struct answer *a = &answers[i];

		if (a->error[0]) {
			fprintf(stderr, "download: %s: %s\n", a->url, a->error);
			status = 1;
		} else {
			printf("%s %zu %08x\n", a->url, a->size, a->crc);
		}
	}
	curl_global_cleanup();
	free(answers);
	free(thread);
	return status;
}

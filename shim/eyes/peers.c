/* SPDX-License-Identifier: MIT */
/*
 * Who holds the other end of a pipe or of a unix socket, as far as /proc lets us see it: read at
 * the first question of a look, since most waits are for neither.
 */
#include <dirent.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eyes.h"

#define HOLDERS_MAX 65536 /* descriptors of all processes that are looked at */
#define PEERS_MAX   (1U << 20)
#define PATIENCE_S  1 /* for the kernel's list of sockets */

struct holder {
	uint64_t inode;
	pid_t pid;
	int fd;
	bool pipe, reads, writes;
};

struct pair {
	uint64_t inode, peer;
};

static struct {
	pid_t pid; /* who is looked at */
	bool looked;
	struct holder *holder;
	size_t holders;
	struct pair *pair;
	size_t pairs, room;
} ends;

static void add_holders(pid_t pid)
{
	char path[64], file[400], link[64];
	struct dirent *entry;
	struct stat st;
	DIR *folder;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	while (folder && ends.holders < HOLDERS_MAX && (entry = readdir(folder))) {
		struct holder *h = &ends.holder[ends.holders];
		ssize_t n;

		(void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		n = readlink(file, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = 0;
		h->pipe = sscanf(link, "pipe:[%lu]", &h->inode) == 1;
		if ((!h->pipe && sscanf(link, "socket:[%lu]", &h->inode) != 1) || lstat(file, &st))
			continue;
		h->pid = pid;
		h->fd = atoi(entry->d_name);
		h->reads = st.st_mode & S_IRUSR;
		h->writes = st.st_mode & S_IWUSR;
		ends.holders++;
	}
	if (folder)
		closedir(folder);
}

/* Its own come first. */
static void find_holders(void)
{
	struct dirent *entry;
	DIR *proc;

	ends.holder = calloc(HOLDERS_MAX, sizeof(*ends.holder));
	if (!ends.holder)
		return;
	add_holders(ends.pid);
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && pid != ends.pid)
			add_holders(pid);
	}
	if (proc)
		closedir(proc);
}

static void add_pair(const struct unix_diag_msg *msg, size_t size)
{
	const struct rtattr *at = (const void *)(msg + 1);
	size_t left = size > sizeof(*msg) ? size - sizeof(*msg) : 0;

	for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		uint32_t peer;

		if (at->rta_type != UNIX_DIAG_PEER || RTA_PAYLOAD(at) < sizeof(peer))
			continue;
		if (ends.pairs == ends.room) {
			size_t room = ends.room ? ends.room * 2 : 256;
			struct pair *more = NULL;

			if (room <= PEERS_MAX)
				more = realloc(ends.pair, room * sizeof(*more));
			if (!more)
				return;
			ends.pair = more;
			ends.room = room;
		}
		memcpy(&peer, RTA_DATA(at), sizeof(peer));
		ends.pair[ends.pairs++] = (struct pair){msg->udiag_ino, peer};
	}
}

/* False: that was the last. */
static bool add_pairs(const char *answer, size_t n)
{
	const struct nlmsghdr *head = (const void *)answer;

	for (; NLMSG_OK(head, n); head = NLMSG_NEXT(head, n)) {
		if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return false;
		if (head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
			add_pair(NLMSG_DATA(head), head->nlmsg_len - NLMSG_HDRLEN);
	}
	return true;
}

static bool same_network(void)
{
	char path[64];
	struct stat ours, theirs;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)ends.pid);
	return !stat("/proc/self/ns/net", &ours) && !stat(path, &theirs) &&
	       ours.st_ino == theirs.st_ino;
}

/* The kernel tells which sockets belong together, of our own network namespace. */
static void find_pairs(void)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req ask;
	} question = {
		.head = {.nlmsg_len = sizeof(question),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.ask = {.sdiag_family = AF_UNIX,
			.udiag_states = UINT32_MAX,
			.udiag_show = UDIAG_SHOW_PEER},
	};
	static _Alignas(NLMSG_ALIGNTO) char answer[32768];
	struct timeval patience = {PATIENCE_S, 0};
	ssize_t n;
	int fd;

	if (!same_network())
		return;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, &question, sizeof(question), 0) == sizeof(question))
		do
			n = recv(fd, answer, sizeof(answer), 0);
		while (n > 0 && add_pairs(answer, (size_t)n));
	close(fd);
}

static void look(void)
{
	if (ends.looked)
		return;
	ends.looked = true;
	find_holders();
	find_pairs();
}

static void name_holder(const struct holder *h, char *text, size_t size)
{
	char path[64], name[32] = "";
	FILE *file;

	if (h->pid == ends.pid) {
		(void)snprintf(text, size, "its own fd %d", h->fd);
		return;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)h->pid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = 0;
	if (file)
		fclose(file);
	(void)snprintf(text, size, "fd %d of %d (%s)", h->fd, (int)h->pid, name);
}

static bool fits(const struct holder *h, uint64_t inode, bool pipe, bool reads, bool writes)
{
	return h->inode == inode && h->pipe == pipe &&
	       (!pipe || (reads && h->writes) || (writes && h->reads));
}

/* The first that holds it, and how many more. `self` is the end that is asked about. */
static bool find(uint64_t inode, bool pipe, int self, char *text, size_t size)
{
	bool reads = true, writes = true;
	size_t found = 0, n = 0;

	for (size_t i = 0; pipe && i < ends.holders; i++)
		if (ends.holder[i].pid == ends.pid && ends.holder[i].fd == self) {
			reads = ends.holder[i].reads;
			writes = ends.holder[i].writes;
		}
	for (size_t i = 0; i < ends.holders; i++) {
		const struct holder *h = &ends.holder[i];

		if (!fits(h, inode, pipe, reads, writes) || (h->pid == ends.pid && h->fd == self))
			continue;
		if (!found++)
			name_holder(h, text, size);
	}
	n = strlen(text);
	if (found > 1)
		(void)snprintf(text + n, size - n, " and %zu more", found - 1);
	return found;
}

bool peer_of_pipe(uint64_t inode, int fd, char *text, size_t size)
{
	look();
	*text = 0;
	return find(inode, true, fd, text, size);
}

bool peer_of_unix(uint64_t inode, uint64_t *peer, char *text, size_t size)
{
	look();
	*text = 0;
	*peer = 0;
	for (size_t i = 0; i < ends.pairs && !*peer; i++)
		if (ends.pair[i].inode == inode)
			*peer = ends.pair[i].peer;
	if (!*peer)
		return false;
	(void)find(*peer, false, -1, text, size);
	return true;
}

void peers_open(pid_t pid)
{
	peers_close();
	ends.pid = pid;
}

void peers_close(void)
{
	free(ends.holder);
	free(ends.pair);
	memset(&ends, 0, sizeof(ends));
}

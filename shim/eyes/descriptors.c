/* SPDX-License-Identifier: MIT */
/* What a descriptor of a process stands for: its file, or its socket and whom that talks to. */
#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eyes.h"

#define UNIX "unix socket"

struct sock {
	uint64_t inode;
	char *text;
};

static struct {
	struct sock *sock;
	size_t count, room;
	bool sorted;
} sockets;

static void add(uint64_t inode, const char *text)
{
	if (!inode)
		return;
	if (sockets.count == sockets.room) {
		size_t room = sockets.room ? sockets.room * 2 : 256;
		struct sock *more = realloc(sockets.sock, room * sizeof(*more));

		if (!more)
			return;
		sockets.sock = more;
		sockets.room = room;
	}
	sockets.sock[sockets.count].inode = inode;
	sockets.sock[sockets.count].text = strdup(text);
	sockets.count++;
}

static void address_text(const char *hex, unsigned port, char *text, size_t size)
{
	/* Words of the address in the machine's order: net/ipv4/tcp_ipv4.c, get_tcp4_sock. */
	uint32_t word[4] = {0};
	char name[INET6_ADDRSTRLEN] = "?";
	bool six = strlen(hex) == 32;

	for (int i = 0; i < (six ? 4 : 1); i++) {
		char part[9];

		(void)snprintf(part, sizeof(part), "%.8s", hex + 8 * i);
		word[i] = (uint32_t)strtoul(part, NULL, 16);
	}
	inet_ntop(six ? AF_INET6 : AF_INET, word, name, sizeof(name));
	(void)snprintf(text, size, six ? "[%s]:%u" : "%s:%u", name, port);
}

static FILE *open_net(pid_t pid, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, name);
	return fopen(path, "re");
}

static void read_inet(pid_t pid, const char *name, const char *kind)
{
	FILE *file = open_net(pid, name);
	char line[512], local[33], remote[33], from[64], to[64], text[160];
	unsigned local_port, remote_port, state;
	uint64_t inode;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %*d: %32[0-9A-F]:%x %32[0-9A-F]:%x %x %*s %*s %*s %*s %*s %lu",
			   local, &local_port, remote, &remote_port, &state, &inode) != 6)
			continue;
		address_text(local, local_port, from, sizeof(from));
		address_text(remote, remote_port, to, sizeof(to));
		if (state == 10) /* TCP_LISTEN */
			(void)snprintf(text, sizeof(text), "%s %s, listening", kind, from);
		else if (!remote_port)
			(void)snprintf(text, sizeof(text), "%s %s", kind, from);
		else
			(void)snprintf(text, sizeof(text), "%s %s, peer %s", kind, from, to);
		add(inode, text);
	}
	if (file)
		fclose(file);
}

static void read_unix(pid_t pid)
{
	FILE *file = open_net(pid, "unix");
	char line[512], text[300];
	unsigned flags;
	uint64_t inode;
	int path;

	while (file && fgets(line, sizeof(line), file)) {
		path = 0;
		if (sscanf(line, "%*x: %*x %*x %x %*x %*x %lu %n", &flags, &inode, &path) != 2)
			continue;
		line[strcspn(line, "\n")] = 0;
		(void)snprintf(text, sizeof(text), UNIX "%s%s%s", path && line[path] ? " " : "",
			       path ? line + path : "",
			       flags & 0x10000 /* __SO_ACCEPTCON */ ? ", listening" : "");
		add(inode, text);
	}
	if (file)
		fclose(file);
}

static int by_inode(const void *a, const void *b)
{
	const struct sock *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

void descriptors_open(pid_t pid)
{
	static const struct {
		const char *name, *kind;
	} tables[] = {
		{"tcp", "tcp"},
		{"tcp6", "tcp"},
		{"udp", "udp"},
		{"udp6", "udp"},
	};

	descriptors_close();
	peers_open(pid);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		read_inet(pid, tables[i].name, tables[i].kind);
	read_unix(pid);
	if (sockets.count)
		qsort(sockets.sock, sockets.count, sizeof(struct sock), by_inode);
}

void descriptors_close(void)
{
	for (size_t i = 0; i < sockets.count; i++)
		free(sockets.sock[i].text);
	free(sockets.sock);
	memset(&sockets, 0, sizeof(sockets));
	peers_close();
}

static const char *socket_text(uint64_t inode)
{
	struct sock key = {.inode = inode}, *found = NULL;

	if (sockets.count)
		found = bsearch(&key, sockets.sock, sockets.count, sizeof(key), by_inode);
	return found && found->text ? found->text : "socket";
}

/* "unix socket /run/a, peer its own fd 5", "unix socket, peer /run/a, fd 7 of 801 (stunnel4)" */
static void put_unix(uint64_t inode, const char *own, char *text, size_t size)
{
	char holder[64];
	const char *name = "";
	uint64_t peer;

	if (peer_of_unix(inode, &peer, holder, sizeof(holder)))
		name = socket_text(peer);
	name = strncmp(name, UNIX " ", sizeof(UNIX)) != 0 ? "" : name + sizeof(UNIX);
	if (*name || *holder)
		(void)snprintf(text, size, "%s, peer %s%s%s", own, name,
			       *name && *holder ? ", " : "", holder);
	else
		(void)snprintf(text, size, "%s", own);
}

void descriptor_text(pid_t pid, int fd, char *text, size_t size)
{
	char path[64], link[PATH_MAX], holder[64];
	uint64_t inode;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0) {
		(void)snprintf(text, size, "closed");
		return;
	}
	link[n] = 0;
	if (sscanf(link, "socket:[%lu]", &inode) == 1) {
		const char *own = socket_text(inode);

		if (!strncmp(own, UNIX, sizeof(UNIX) - 1))
			put_unix(inode, own, text, size);
		else
			(void)snprintf(text, size, "%s", own);
	} else if (sscanf(link, "pipe:[%lu]", &inode) == 1) {
		bool known = peer_of_pipe(inode, fd, holder, sizeof(holder));

		(void)snprintf(text, size, "pipe%s%s", known ? ", other end " : "",
			       known ? holder : "");
	} else if (!strncmp(link, "anon_inode:", 11)) {
		(void)snprintf(text, size, "%s", link + 11);
	} else {
		(void)snprintf(text, size, "%s", link);
	}
	text_clean(text);
}

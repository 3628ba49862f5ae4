/* SPDX-License-Identifier: MIT */
/* Where a regular file is: how long it may make its readers wait. */
#ifndef COPATCH_DISK_H
#define COPATCH_DISK_H

#include <stdbool.h>

enum disk {
	DISK_UNKNOWN,
	DISK_MEMORY, /* tmpfs and its kin: nothing waits */
	DISK_MADE,   /* the kernel makes the contents up: /proc and its kin */
	DISK_LOCAL,  /* what is not in memory comes in by itself */
	DISK_REMOTE, /* another process or machine answers, perhaps never: FUSE, NFS */
};

enum disk disk_of(int fd);
/* Is a device number that of a file system which answers perhaps never? */
bool disk_remote(unsigned major, unsigned minor);

#endif

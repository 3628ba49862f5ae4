/* SPDX-License-Identifier: MIT */
/*
 * Whether the kernel would set AT_SECURE: after cap_bprm_creds_from_file() of
 * security/commoncap.c and bprm_fill_uid() of fs/exec.c.
 */
#include "secure.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static uint32_t le32(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The layout is that of struct vfs_cap_data. */
int secure_caps_raise(const unsigned char *value, size_t n)
{
	uint32_t magic;

	if (n < XATTR_CAPS_SZ_1)
		return 0;
	magic = le32(value);
	if (magic & VFS_CAP_FLAGS_EFFECTIVE || le32(value + 4))
		return 1;
	return (magic & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_1 && n >= XATTR_CAPS_SZ_2 &&
	       le32(value + 12);
}

static int has_caps(const char *path)
{
	unsigned char value[64];
	ssize_t n = getxattr(path, "security.capability", value, sizeof(value));

	return n > 0 && secure_caps_raise(value, (size_t)n);
}

/*
 * The ids after exec are compared with the real ids before it: root may run a setuid-root
 * program, and a process whose ids differ already loses LD_PRELOAD with any program.
 */
const char *secure_reason(const char *path, const struct stat *st)
{
	struct statvfs fs;
	int nosuid = !statvfs(path, &fs) && fs.f_flag & ST_NOSUID;
	int ignored = nosuid || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	int setuid = !ignored && st->st_mode & S_ISUID;
	/* without the execute bit the setgid bit once meant mandatory locking */
	int setgid = !ignored && (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);

	if (setuid && st->st_uid != getuid())
		return "setuid";
	if (setgid && st->st_gid != getgid())
		return "setgid";
	if ((!setuid && geteuid() != getuid()) || (!setgid && getegid() != getgid()))
		return "run with a real user or group other than the effective one";
	if (!nosuid && getuid() != 0 && has_caps(path))
		return "given file capabilities";
	return NULL;
}

/*
 * text.h - bytes from files and file names as text that PostgreSQL can hold
 *
 * Nothing that comes out of here contains a NUL or is anything but UTF-8.
 */
#ifndef JOBCTL_CATALOG_TEXT_H
#define JOBCTL_CATALOG_TEXT_H

#include "str.h"

/* git's rule: a NUL in the first 8,000 bytes makes a file binary. */
bool text_is_binary(const char *p, size_t n);

/*
 * The text of n bytes: UTF-8 as it is, every byte that is not part of it read as
 * Windows-1252, NUL as U+FFFD, a byte order mark in front dropped.  What needs no
 * change is returned as it stands, within p; else the text is in *hold, which is
 * reset first.
 */
const char *text_decode(struct str *hold, const char *p, size_t n, size_t *len);

/*
 * Append a file name the way the catalog stores it: as it is, or C-quoted as git
 * prints it, if it is not UTF-8 or could be taken for a quoted one.
 */
void text_put_path(struct str *s, const char *path);

#endif

/*
 * synth_regex.h - strings that a regular expression matches
 */
#ifndef JOBCTL_SYNTH_REGEX_H
#define JOBCTL_SYNTH_REGEX_H

#include "str.h"

/*
 * Append a string that PostgreSQL's regular expression should match, a different one
 * for most seeds.  false if it uses what is not known here: look-around, back references,
 * collating elements.  What it makes is to be tried, not trusted.
 */
bool synth_regex(struct str *s, const char *re, uint32_t seed) MUSTCHECK;

#endif

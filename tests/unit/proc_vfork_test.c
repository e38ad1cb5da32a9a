/*
 * proc_vfork_test - proc_test where the system calls of our machine are not known
 */
#define NEWBORN_VFORK
/* NOLINTNEXTLINE(bugprone-suspicious-include): instead of the one in the library */
#include "../../lib/newborn.c"
/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "proc_test.c"

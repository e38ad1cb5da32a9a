/*
 * proc_vfork_test - proc_test where the system calls of our machine are not known
 */
#define NEWBORN_VFORK
#include "../../lib/newborn.c"
#include "proc_test.c"

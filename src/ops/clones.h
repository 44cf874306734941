/* CLONES: one copy of a function for each kind of machine, chosen at run time, so that references use the machine's fma
 * if it has one. Only on static functions, reached through their file's row: clang does not link cloned functions
 * across files. */
#ifndef CLONES_H
#define CLONES_H

#include <stdint.h> /* for __GLIBC__ */

/* The choice is an ifunc, which glibc resolves and musl does not: there the program would crash at its start.
 *
 * Names of processors ("haswell") would be wrong: gcc 12 and clang 14 then require exactly that one, and an AMD
 * processor gets the default. clang 14 does not know the levels x86-64-v3 and v4. */
#if !defined(__x86_64__) || !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__)
#define CLONES
#elif defined(__clang__)
#define CLONES __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif

#endif

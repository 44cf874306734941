/* One copy of a loop for each kind of machine, chosen at run time, so that a reference has a real fma where there is one.
 * On static functions alone, reached through their file's row: clang does not link cloned functions across files. */
#ifndef CLONES_H
#define CLONES_H

#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(TASSELLO_NO_CLONES)
#define CLONES __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define CLONES
#endif

#endif

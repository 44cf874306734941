/* The cache of built programs on disk. No failure of it is an error: the program is built again, and the context's
 * error stays what it was. */
#ifndef BINARY_H
#define BINARY_H

#include "device/opencl/opencl.h"

/* All that a binary depends on, as text. malloc()ed; NULL if it is not known. */
char *binary_make_key(const tas_device *device, const char *source, const char *options);

/* The path of the key's file. malloc()ed; NULL if key is, or if there is no cache folder. */
char *binary_find_path(const char *key);

/* The program in that file, built; NULL if there is none, or it is not exactly what was stored for the key. */
cl_program binary_load(tas_device *device, const char *path, const char *key, const char *options);

void binary_store(tas_device *device, const char *path, const char *key, cl_program program);

#endif

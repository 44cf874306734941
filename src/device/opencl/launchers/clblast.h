/* CLBlast's products, on devices opened with TAS_ARITH_FAST. */
#ifndef CLBLAST_H
#define CLBLAST_H

#include "device/device.h"

/* Parameters of CLBlast's kernel Xgemm; all are required. M, N are the sizes of the product, K the length of its sums.
 */
typedef struct clblast_row {
    size_t gemmk;        /* the kernel: 0; 1 computes wrong products if mwg and nwg differ (CLBlast#533, #542) */
    size_t kreg;         /* kernel 1 only */
    size_t kwg, kwi;     /* block of K, and how far its loop is unrolled */
    size_t mdima, mdimc; /* work-items in M: for loads of A, for sums */
    size_t mwg;          /* block of M */
    size_t ndimb, ndimc, nwg;
    size_t sa, sb;     /* A and B go through local memory */
    size_t strm, strn; /* strided access */
    size_t vwm, vwn;   /* vectors */
} clblast_row;

/* Sets the row for this device, in the whole process: CLBlast keeps one row per device. */
tas_status clblast_set_row(tas_device *device, const clblast_row *row);

/* C (m, n) = A B + beta C, sums of length k. A turned lies as (k, m), B turned as (n, k). */
typedef struct clblast_product {
    bool a_turned, b_turned;
    size_t m, n, k;
} clblast_product;

/* Bytes that CLBlast needs beside the operands. If it does not report them: 0, and the call itself then fails. */
uint64_t clblast_temporary_bytes(tas_device *device, clblast_product p);

/* Enqueues a product; answers CLBlast's status, 0 for success. beta is 0, and C is only written; or 1, and the sums are
 * added to it. temporary may be NULL or empty: CLBlast then allocates what it needs. */
int clblast_multiply(tas_device *device, clblast_product p, const mem *a, const mem *b, float beta, const mem *c,
                     const mem *temporary);

/* An odd edge from which a cube is computed by Xgemm; smaller products are by XgemmDirect. 0: no cube below 4096. */
uint32_t clblast_indirect_edge(tas_device *device);

/* Integer-valued products that must be exact, by every form and kernel that the launchers use. *right reports whether
 * they were; why (bytes) what was not, or that it took too long. Fails only if host memory runs out. */
tas_status clblast_selftest(tas_device *device, bool *right, char *why, size_t bytes);

/* Overrides the dense layer's products if the self-test passes; else it leaves a note. */
tas_status clblast_open(tas_device *device);
void clblast_close(tas_device *device);

/* Reopens the device's context by calling `reopen`, and on a device with CLBlast restores its settings. */
tas_status clblast_reopen(tas_device *device, tas_status (*reopen)(tas_device *device));

/* Why CLBlast does not compute this device's products; NULL if it does. */
const char *clblast_unused(const tas_device *device);

/* Whether it has that operation: the products. */
bool clblast_provides(op_id op);

/* Whether it computes that call: all of its operations, unless the device's tuning has found a kernel to be faster. On
 * processors the two need weights in different layouts, so there it is always CLBlast. */
bool clblast_computes(const tas_device *device, const op_args *call);

#endif

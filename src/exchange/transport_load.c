/* Finds the MPI that started this process: modules for Open MPI and MPICH may lie side by side, as the two do. */
#include "exchange/transport.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What launchers put into the environment of a process: how many there are of it, and whose they are. */
static const struct launcher {
    const char *count;
    const char *modules[2]; /* to be tried in this order */
} launchers[] = {
    {"OMPI_COMM_WORLD_SIZE", {"openmpi", NULL}},    /* Open MPI's mpirun */
    {"PMI_SIZE", {"mpich", "openmpi"}},             /* MPICH's, and srun --mpi=pmi2 */
    {"SLURM_STEP_NUM_TASKS", {"openmpi", "mpich"}}, /* srun --mpi=pmix; not set in a batch script */
};
enum { LAUNCHERS = sizeof launchers / sizeof *launchers };

/* NULL: started alone. */
static const struct launcher *find_launcher(void)
{
    for (int i = 0; i < LAUNCHERS; i++) {
        const char *count = getenv(launchers[i].count);
        if (count && strtoul(count, NULL, 10) > 1) return &launchers[i];
    }
    return NULL;
}

bool transport_is_launched(void) { return find_launcher() != NULL; }

/* Beside the library, wherever it was installed or built; its handle stays, as MPI cannot be unloaded. Open MPI's own
 * modules need its names to be global. */
static const transport_module *load(const char *name, char why[TRANSPORT_WHY])
{
    char path[4096];
    Dl_info self;
    if (!dladdr((const void *)launchers, &self) || !self.dli_fname) return NULL;
    const char *end = strrchr(self.dli_fname, '/');
    const int folder = end ? (int)(end - self.dli_fname) + 1 : 0;
    snprintf(path, sizeof path, "%.*slibtassello-%s.so", folder, self.dli_fname, name);
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    const transport_module *module = handle ? dlsym(handle, "transport_mpi_module") : NULL;
    if (module && module->version == TRANSPORT_VERSION) return module;
    snprintf(why, TRANSPORT_WHY, "%.400s", module ? "the module is of another version" : dlerror());
    return NULL;
}

/* MPIs end a process that srun has not prepared for them. */
static bool has_mpi(const struct launcher *of)
{
    const char *plugin = getenv("SLURM_MPI_TYPE");
    if (strcmp(of->count, "SLURM_STEP_NUM_TASKS") != 0) return true;
    return (plugin && strcmp(plugin, "none") != 0) || getenv("PMIX_NAMESPACE") || getenv("PMI_FD");
}

bool transport_open_mpi(transport *out, char why[TRANSPORT_WHY])
{
    const struct launcher *of = find_launcher();
    const transport_module *module = NULL;
    char reason[TRANSPORT_WHY] = "not started by a launcher of MPI";
    if (of && !has_mpi(of)) {
        snprintf(why, TRANSPORT_WHY, "one of several processes of srun without MPI: expected srun --mpi=pmix or pmi2");
        return false;
    }
    for (int i = 0; of && i < 2 && of->modules[i] && !module; i++) module = load(of->modules[i], reason);
    if (!module) {
        snprintf(why, TRANSPORT_WHY,
                 "one of several processes of a launcher, but there is no module for its MPI: %.300s", reason);
        return false;
    }
    if (!module->open(out, why)) return false;
    const unsigned long count = strtoul(getenv(of->count), NULL, 10);
    if (count == out->count) return true;
    snprintf(why, TRANSPORT_WHY, "%s is %lu, but MPI counts %u: it is not the MPI of this launcher", of->count, count,
             out->count);
    return false;
}

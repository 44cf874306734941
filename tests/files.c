/* A folder for the files of a suite. */
#include "files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], notes[1 << 14];

const char *files_folder(void) { return folder; }

const char *files_path(const char *name)
{
    static char texts[8][512];
    static int next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "%s/%s", folder, name);
    return text;
}

void files_clear(void)
{
    DIR *all = opendir(folder);
    for (struct dirent *e; all && (e = readdir(all));)
        if (e->d_name[0] != '.') remove(files_path(e->d_name));
    if (all) closedir(all);
}

void files_open(void)
{
    snprintf(folder, sizeof folder, "/tmp/tassello-files-XXXXXX");
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(1);
    }
}

void files_close(void)
{
    files_clear();
    rmdir(folder);
}

static void keep_note(void *user, const char *line)
{
    (void)user;
    snprintf(notes + strlen(notes), sizeof notes - strlen(notes), "%s\n", line);
}

void files_setup(void)
{
    files_clear();
    files_forget_notes();
    support_open();
    tas_set_log(context, keep_note, NULL);
}

const char *files_notes(void) { return notes; }
void files_forget_notes(void) { notes[0] = 0; }

void files_write(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(files_path(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

unsigned char *files_read(const char *name, size_t *n)
{
    struct stat about;
    FILE *f = fopen(files_path(name), "rb");
    ck_assert(f && !fstat(fileno(f), &about));
    unsigned char *all = malloc((size_t)about.st_size + 1);
    *n = fread(all, 1, (size_t)about.st_size, f);
    ck_assert_uint_eq(*n, (size_t)about.st_size);
    fclose(f);
    return all;
}

int files_count_descriptors(void)
{
    int n = 0;
    DIR *all = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(all);
    while (readdir(all)) n++;
    closedir(all);
    return n;
}

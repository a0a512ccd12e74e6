/* SoftHSM keeps a token in a folder and writes to it at each login; a hardware security module does
   neither, and a pod of Vaultyard has no such folder. So this library copies the token that its
   image brings to where the pod may write, and is SoftHSM's from then on. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define GENERAL_ERROR 5UL
#define LONGEST 1024

static int copy_file(const char *from, const char *to) {
    FILE *source = fopen(from, "rb"), *copy = fopen(to, "wb");
    int byte;
    if (!source || !copy) return -1;
    while ((byte = getc(source)) != EOF) putc(byte, copy);
    fclose(source);
    return fclose(copy);
}

static int copy_folder(const char *from, const char *to) {
    struct dirent **all;
    int count = scandir(from, &all, 0, alphasort);
    if (count < 0 || mkdir(to, 0700) != 0) return -1;
    for (int i = 0; i < count; i++) {
        const char *name = all[i]->d_name;
        char source[LONGEST], copy[LONGEST];
        struct stat found;
        if (name[0] == '.') continue;
        snprintf(source, sizeof source, "%s/%s", from, name);
        snprintf(copy, sizeof copy, "%s/%s", to, name);
        if (stat(source, &found) != 0) return -1;
        if ((S_ISDIR(found.st_mode) ? copy_folder : copy_file)(source, copy) != 0) return -1;
    }
    return 0;
}

unsigned long C_GetFunctionList(void **list) {
    static unsigned long (*of_softhsm)(void **);
    char folder[] = FOLDER "/token-XXXXXX", tokens[LONGEST], settings[LONGEST];
    FILE *file;
    if (of_softhsm) return of_softhsm(list);
    if (!mkdtemp(folder)) return GENERAL_ERROR;
    snprintf(tokens, sizeof tokens, "%s/tokens", folder);
    snprintf(settings, sizeof settings, "%s/softhsm2.conf", folder);
    if (copy_folder(TOKENS, tokens) != 0 || !(file = fopen(settings, "w"))) return GENERAL_ERROR;
    fprintf(file, "directories.tokendir = %s\n", tokens);
    fclose(file);
    setenv("SOFTHSM2_CONF", settings, 1);
    void *softhsm = dlopen(SOFTHSM, RTLD_NOW | RTLD_GLOBAL);
    if (!softhsm) return GENERAL_ERROR;
    of_softhsm = (unsigned long (*)(void **))dlsym(softhsm, "C_GetFunctionList");
    return of_softhsm ? of_softhsm(list) : GENERAL_ERROR;
}

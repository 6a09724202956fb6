/* Steps through a thread of a child, one instruction after the other, and tells what each of them is. The child must be a
 * fork of this process: it has its code where we have ours. x86-64 only; include harness.h first. */
#ifndef WSPUSH_TESTS_STEPPER_H
#define WSPUSH_TESTS_STEPPER_H

#include <link.h>
#include <sys/ptrace.h>
#include <sys/user.h>

/* Takes hold of a thread, which runs on. Where that is not permitted the program is skipped, but not in continuous
 * integration, which is there to run everything. */
static inline void seize(pid_t thread)
{
    if (ptrace(PTRACE_SEIZE, thread, NULL, (void *)PTRACE_O_EXITKILL) == 0)
        return;
    const char *reason = strerror(errno), *ci = getenv("CI");
    if (ci != NULL && strcmp(ci, "true") == 0)
        fail(HERE, "ptrace: %s. CI=true: what is skipped elsewhere fails here", reason);
    printf("ptrace: %s: what the processor does cannot be counted\n", reason);
    fflush(stdout);
    _exit(SKIPPED);
}

/* Waits for the stop that was asked for. */
static inline struct user_regs_struct stopped(pid_t thread)
{
    int status;
    struct user_regs_struct registers;
    CHECK_INT(thread, waitpid(thread, &status, __WALL));
    if (!WIFSTOPPED(status))
        fail(HERE, "the thread has ended, status %#x", (unsigned)status);
    CHECK_INT(SIGTRAP, WSTOPSIG(status));
    CHECK_INT(0, ptrace(PTRACE_GETREGS, thread, NULL, &registers));
    return registers;
}

static inline struct user_regs_struct interrupt(pid_t thread)
{
    CHECK_INT(0, ptrace(PTRACE_INTERRUPT, thread, NULL, NULL));
    return stopped(thread);
}

static inline struct user_regs_struct step(pid_t thread)
{
    CHECK_INT(0, ptrace(PTRACE_SINGLESTEP, thread, NULL, NULL));
    return stopped(thread);
}

enum kind { PLAIN, LOCKED, CALL };

/* Prefixes in any order, then the opcode (Intel's manual, volume 2, chapter 2). */
static inline enum kind kind_of(uint64_t address)
{
    static const unsigned char prefixes[] = {0xf0, 0xf2, 0xf3, 0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    const unsigned char *at = (const unsigned char *)(uintptr_t)address;
    int locked = 0;
    for (; memchr(prefixes, *at, sizeof prefixes) != NULL; at++)
        locked |= *at == 0xf0;
    at += (*at & 0xf0) == 0x40;                     /* REX */
    locked |= (*at & 0xfe) == 0x86 && at[1] < 0xc0; /* XCHG with memory, which needs no prefix */
    return locked ? LOCKED : at[0] == 0x0f && at[1] == 0x05 ? CALL : PLAIN;
}

/* Where something was executed, and how often. */
struct sites {
    struct {
        uintptr_t address;
        int times;
    } list[64];
    int count;
};

static inline void add_site(struct sites *sites, uint64_t address)
{
    int at = 0;
    while (at < sites->count && sites->list[at].address != address)
        at++;
    CHECK(at < (int)(sizeof sites->list / sizeof *sites->list));
    sites->count += at == sites->count;
    sites->list[at].address = (uintptr_t)address;
    sites->list[at].times++;
}

/* Prints the object and the place in it, if this is the one. */
static inline int print_place(struct dl_phdr_info *object, size_t size, void *address)
{
    uintptr_t at = *(uintptr_t *)address;
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        uintptr_t first = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        if (object->dlpi_phdr[i].p_type == PT_LOAD && at >= first && at - first < object->dlpi_phdr[i].p_memsz)
            printf(" %s %#" PRIxPTR "\n", *object->dlpi_name != '\0' ? object->dlpi_name : "the program itself",
                   at - (uintptr_t)object->dlpi_addr);
    }
    return 0;
}

/* As `addr2line -Cfie OBJECT PLACE` takes them. */
static inline void print_sites(const struct sites *sites)
{
    for (int i = 0; i < sites->count; i++) {
        uintptr_t address = sites->list[i].address;
        printf("%8d times", sites->list[i].times);
        dl_iterate_phdr(print_place, &address);
    }
}

#endif

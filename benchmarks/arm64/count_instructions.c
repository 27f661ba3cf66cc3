/* A qemu plugin that prints the number of instructions executed so far when the guest calls
 *   clock_gettime   "clock N": ONNX Runtime's profiler does so around every operator
 *   getppid         "mark N": only guest.py does so, at the start and the end of a run
 * Debian's qemu-user ships no header, so the plugin API is declared here. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))
enum { ADD_U64 = 0, CLOCK_GETTIME = 113, GETPPID = 173 }; /* system calls of Linux on arm64 */

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
typedef void (*translate_cb)(plugin_id, struct qemu_plugin_tb *);
typedef void (*syscall_cb)(plugin_id, unsigned vcpu, int64_t number, uint64_t, uint64_t, uint64_t,
                           uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

EXPORT int qemu_plugin_version = 1;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translate_cb);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, syscall_cb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *, uint64_t);

static uint64_t executed; /* by all threads; the guest runs one */

static void on_translate(plugin_id id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &executed,
                                             qemu_plugin_tb_n_insns(block));
}

static void on_syscall(plugin_id id, unsigned vcpu, int64_t number, uint64_t a, uint64_t b,
                       uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)vcpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == CLOCK_GETTIME || number == GETPPID)
        fprintf(stderr, "%s %" PRIu64 "\n", number == GETPPID ? "mark" : "clock", executed);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}

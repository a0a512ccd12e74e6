/* The process that holds the namespaces of a pod: it reaps children that lost their parent and ends
   when it is asked to. Its signals are blocked and fetched one at a time, because the kernel drops
   signals that the first process of a namespace neither blocks nor handles. */
#include <signal.h>
#include <sys/wait.h>

int main(void) {
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGINT);
    sigaddset(&awaited, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &awaited, 0) != 0) return 1;

    for (;;) {
        int arrived;
        if (sigwait(&awaited, &arrived) != 0) return 1;
        if (arrived != SIGCHLD) return 0;
        while (waitpid(-1, 0, WNOHANG) > 0) {
        }
    }
}

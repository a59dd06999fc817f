// Tasks in phases, whose parts any thread may run: what a busy machine runs without waiting for its turn.
//
// Only declarations, so that files that are compiled for each instruction set may include this header.
#pragma once

namespace unrolled {

// Run body(argument, part, phase) for each of `parts` parts in each of `phases` phases, a phase once the one
// before has ended for all parts, and return when all have ended. Each part runs on a thread of its own
// (run_threads, with its errors); but while processors are contended and no body waits for another, whichever
// thread has a processor takes the next part, also all of them one after another. `body` must not throw, fork
// or run threads.
void run_phases(int parts, int phases, bool bodies_wait, void (*body)(void *argument, int part, int phase),
                void *argument);

// Run pass.run(part), or pass.run(part, phase) where it has kPhases, for every part.
template <class Pass>
void run_parts(Pass &pass, int parts, bool bodies_wait = false) {
    if constexpr (requires { Pass::kPhases; })
        run_phases(
            parts, Pass::kPhases, bodies_wait,
            [](void *self, int part, int phase) { static_cast<Pass *>(self)->run(part, phase); }, &pass);
    else
        run_phases(
            parts, 1, bodies_wait, [](void *self, int part, int) { static_cast<Pass *>(self)->run(part); }, &pass);
}

}  // namespace unrolled

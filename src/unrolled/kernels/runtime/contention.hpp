// Contention for processors: while other processes want them, threads of OpenMP stop spinning.
//
// Only declarations, so that files that are compiled for each instruction set may include this header.
#pragma once

namespace unrolled {

// Say that this process computes: it is watched from here on, until a second after the last such call. While
// its threads wait for processors, those of the OpenMP runtime (torch's) sleep where they would spin. Their
// number stays as it is, and so does every result. Costs some tens of nanoseconds.
void watch_contention();

// Whether threads of this process were waiting for processors when it was last looked at.
bool is_contended();

}  // namespace unrolled

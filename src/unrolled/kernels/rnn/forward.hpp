// The loop over time, forward, once for every cell.
//
// A member of the team takes its rows through all steps alone; where the rows are too few or the weights too
// large for that, all members take all rows, each its own units, and meet once a step.
#pragma once

#include "rnn/pointwise/forward.hpp"
#include "runtime/thread_pool.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class Forward {
    using S = Simd<T>;
    using Own = ForwardOwn<T>;
    using Step = ForwardStep<T>;
    static constexpr std::size_t kWide = kColumns<T>;

public:
    Forward(ForwardJob<T> &job, const ForwardRows<T> &cell_rows, Barrier &meeting)
        : job_(job),
          call_(job.call),
          shape_(job.shape),
          plan_(job.plan),
          cell_rows_(cell_rows),
          meeting_(meeting) {}

    // Cut up the memory of the call; the answer is how many bytes that takes.
    std::size_t carve(void *block) {
        Carver carver(block);
        const std::size_t blocks = shape_.unit_blocks;
        panel_ = (shape_.inputs + shape_.units) * kWide;
        panels_ = carver.take<T>(shape_.gates * blocks * panel_);
        starts_ = carver.take<T>(shape_.sums.count * blocks * kWide);
        if (shape_.has_norm) job_.norm.carve(carver, shape_);
        for (int member = 0; member < plan_.members; ++member) {
            const std::size_t rows = rows_of(plan_, member).count, state = blocks * rows * kWide;
            Own &own = own_[member];
            if (member == 0 || !plan_.splits_units) {
                for (T *&h : own.recurrent) h = carver.take<T>(state);
                own.h = call_.mask ? carver.take<T>(state) : nullptr;
                own.c = shape_.states > 1 ? carver.take<T>(state) : nullptr;
            } else {
                own = own_[0];
            }
            own.x = carver.take<T>(shape_.input_blocks * rows * kWide);
            own.sums = carver.take<T>(shape_.sums.count * rows * kWide * blocks_at_once(rows));
            own.together = shape_.has_norm ? carver.take<T>(shape_.sums.count * blocks * kWide) : nullptr;
            own.cell = call_.gain_cell ? carver.take<T>(blocks * kWide) : nullptr;
        }
        return carver.used();
    }

    void run(int member) {
        const Own &own = own_[member];
        const Rows rows = rows_of(plan_, member);
        const Part blocks = part_of(shape_.unit_blocks, member, plan_);
        pack(member);
        if (member == 0) lay_starts();
        for (std::size_t i = 0; i < rows.count; ++i) begin(own, rows, blocks, i);
        meeting_.wait();
        T *recurrent = own.recurrent[0], *next = own.recurrent[1];
        std::size_t active = 0;
        for (std::size_t step = 0; step < call_.steps; ++step) {
            const std::size_t t = call_.reverse ? call_.steps - 1 - step : step;
            active = rows.active(t, active);
            if (active == 0) continue;
            take_step(own, rows, blocks, {t, active, recurrent, next});
            if (plan_.splits_units) meeting_.wait();
            T *const used = recurrent;
            recurrent = next, next = used;
        }
        S::end_streams();
    }

private:
    ForwardJob<T> &job_;
    const Call<T> &call_;
    const Shape<T> &shape_;
    const Plan &plan_;
    const ForwardRows<T> &cell_rows_;
    Barrier &meeting_;
    T *panels_ = nullptr, *starts_ = nullptr;  // the weights; what each sum starts from
    std::size_t panel_ = 0;                    // elements of a panel: input's rows, then the state's
    Own own_[kMostMembers];

    // Few rows: all panels at once keep the registers busy. Many: as many as the nearest cache holds.
    std::size_t blocks_at_once(std::size_t rows) const {
        constexpr std::size_t kBytes = 16 << 10;
        if (rows <= kTileRows || shape_.has_norm) return shape_.unit_blocks;
        const std::size_t one = shape_.sums.count * rows * kWide * sizeof(T);
        return one >= kBytes ? 1 : kBytes / one < shape_.unit_blocks ? kBytes / one : shape_.unit_blocks;
    }

    // The weights as panels, each member its part of them.
    void pack(int member) {
        const std::size_t H = shape_.units, F = shape_.inputs, blocks = shape_.unit_blocks;
        const Part mine = part_of(shape_.gates * blocks, member, plan_.members);
        for (std::size_t p = mine.begin; p < mine.end; ++p) {
            const std::size_t unit = p % blocks * kWide, row = p / blocks * H + unit;
            const std::size_t present = H - unit < kWide ? H - unit : kWide;
            pack_rows(call_.w_ih + row * F, F, present, panels_ + p * panel_);
            pack_rows(call_.w_hh + row * H, H, present, panels_ + p * panel_ + F * kWide);
        }
    }

    // The sums start from the biases; with layer norm these come after it, and the sums start from zero.
    void lay_starts() {
        const std::size_t H = shape_.units, width = shape_.unit_blocks * kWide;
        if (shape_.has_norm) {
            job_.norm.take(call_, shape_);
            return clear(starts_, shape_.sums.count * width);
        }
        for (int sum = 0; sum < shape_.sums.count; ++sum) {
            const Reads reads = shape_.sums.list[sum].reads;
            const std::size_t first = shape_.sums.list[sum].gate * H;
            for (std::size_t u = 0; u < width; ++u) {
                const bool is_there = u < H && call_.b_ih;
                const T input = is_there && reads != kState ? call_.b_ih[first + u] : T{};
                const T state = is_there && reads != kInput ? call_.b_hh[first + u] : T{};
                starts_[sum * width + u] = input + state;
            }
        }
    }

    // Row i's state before its first step, and its outputs beyond its last; a row without any step has its
    // last state already.
    void begin(const Own &own, const Rows &rows, Part blocks, std::size_t i) {
        const std::size_t H = shape_.units, stride = rows.count * kWide, row = rows.order[i];
        const Outcome<T> &outcome = job_.outcome;
        const std::int64_t length = rows.lengths[i];
        const T *const h = call_.h0 ? call_.h0 + row * H : nullptr;
        const T *const c = call_.c0 ? call_.c0 + row * H : nullptr;
        const bool anew = length > 0 && starts_anew(call_, row, length, call_.reverse ? length - 1 : 0);
        T *const state = (own.h ? own.h : own.recurrent[0]) + i * kWide;
        to_blocks(anew ? nullptr : h, H, state, stride, blocks.begin, blocks.end);
        if (own.c) to_blocks(anew ? nullptr : c, H, own.c + i * kWide, stride, blocks.begin, blocks.end);
        if (own.h) mask(state, own.recurrent[0] + i * kWide, stride, row, blocks);
        if (call_.reverse)  // until a row begins, the two buffers change places without it
            for (std::size_t u = blocks.begin; u < blocks.end; ++u) {
                const std::size_t place = u * stride + i * kWide;
                copy_padded(own.recurrent[0] + place, kWide, own.recurrent[1] + place, kWide);
            }
        if (length == 0) {
            copy_units(h, outcome.h_n + row * H, blocks);
            if (own.c) copy_units(c, outcome.c_n + row * H, blocks);
        }
        for (std::size_t t = length; t < call_.steps; ++t)
            copy_units(nullptr, at(outcome.out, t, row), blocks);
    }
    void copy_units(const T *from, T *to, Part blocks) const {
        for (std::size_t u = blocks.begin * kWide; u < blocks.end * kWide && u < shape_.units; ++u)
            to[u] = from ? from[u] : T{};
    }
    void mask(const T *h, T *to, std::size_t stride, std::size_t row, Part blocks) const {
        const T *const mask = call_.mask + row * shape_.units;
        for (std::size_t u = blocks.begin * kWide; u < blocks.end * kWide; ++u) {
            const std::size_t place = u / kWide * stride + u % kWide;
            to[place] = u < shape_.units ? h[place] * mask[u] : T{};
        }
    }

    void take_step(const Own &own, const Rows &rows, Part blocks, const Step &now) {
        const std::size_t stride = rows.count * kWide, at_once = blocks_at_once(rows.count);
        for (std::size_t i = 0; i < now.active; ++i)
            to_blocks(at(call_.x, now.t, rows.order[i]), shape_.inputs, own.x + i * kWide, stride, 0,
                      shape_.input_blocks);
        for (std::size_t u = blocks.begin; u < blocks.end; u += at_once) {
            const Part some{u, u + at_once < blocks.end ? u + at_once : blocks.end};
            add_up(own, rows, some, now);
            cell_rows_.finish(own, rows, some, now);
        }
    }

    // The sums of a step for some units; those of like make that lie beside one another in one product.
    void add_up(const Own &own, const Rows &rows, Part some, const Step &now) {
        const std::size_t stride = rows.count * kWide, width = some.end - some.begin;
        const Sums &sums = shape_.sums;
        for (int sum = 0, run; sum < sums.count; sum += run) {
            const auto [reads, gate, of_rule, group] = sums.list[sum];
            run = 1;
            if (width == shape_.unit_blocks)
                while (sum + run < sums.count && sums.list[sum + run].reads == reads) ++run;
            const T *const panels = panels_ + (gate * shape_.unit_blocks + some.begin) * panel_;
            Product<T> product{};
            if (reads != kState)
                product.pieces[product.n_pieces++] =
                    Piece<T>::over(own.x, stride, panels, panel_, shape_.inputs);
            if (reads != kInput)
                product.pieces[product.n_pieces++] = Piece<T>::over(
                    now.recurrent, stride, panels + shape_.inputs * kWide, panel_, shape_.units);
            product.start = starts_ + (sum * shape_.unit_blocks + some.begin) * kWide;
            product.result = own.sums + sum * width * stride;
            product.result_stride = stride;
            multiply(product, 0, now.active, 0, run * width);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA

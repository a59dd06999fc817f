// The loop over time, backward, once for every cell: one sweep that turns each step's gradients of the
// state into those of its sums, and adds up the weights' gradients while these are still in the cache.
#pragma once

#include "runtime/thread_pool.hpp"
#include "rnn/weight_gradients.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class Backward {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Own = BackwardOwn<T>;
    using Step = BackwardStep;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    // Rows of steps whose products with their inputs are added up at once: fewer would read and write the
    // weights' gradients more often, more would not stay in the cache.
    static constexpr std::size_t kRowsAtOnce = 128;
    // Rows whose states are read twice while they are in the nearest cache: laid out, then turned.
    static constexpr std::size_t kRowsTogether = 8;

public:
    Backward(BackwardJob<T> &job, const BackwardRows<T> &cell_rows, Barrier &meeting)
        : job_(job),
          call_(job.call),
          to_(job.to),
          shape_(job.shape),
          plan_(job.plan),
          cell_rows_(cell_rows),
          weights_(job),
          meeting_(meeting) {}

    std::size_t carve(void *block) {
        Carver carver(block);
        const std::size_t blocks = shape_.unit_blocks;
        panel_ = shape_.gates * shape_.units * kWide;
        state_panels_ = carver.take<T>(blocks * panel_);
        input_panels_ = to_.grad_x.data ? carver.take<T>(shape_.input_blocks * panel_) : nullptr;
        if (shape_.has_norm) job_.norm.carve(carver, shape_);
        for (int member = 0; member < plan_.members; ++member) {
            const std::size_t rows = rows_of(plan_, member).count, state = blocks * rows * kWide;
            Own &own = own_[member];
            if (member == 0 || !plan_.splits_units) {
                own.room = room_for(rows);
                own.d_h = carver.take<T>(state);
                own.d_c = shape_.states > 1 ? carver.take<T>(state) : nullptr;
                own.d_recurrent = call_.mask ? carver.take<T>(state) : nullptr;
                own.d_sums = carver.take<T>(shape_.sums.count * blocks * own.room * kWide);
                if (weights_.are_wanted()) weights_.carve(carver, own);
            } else {
                own = own_[0];
            }
            own.d_x = to_.grad_x.data ? carver.take<T>(shape_.input_blocks * own.room * kWide) : nullptr;
            own.places = carver.take<typename Own::Place>(own.room);
            own.d_slope = carver.take<T>(kLanes);
            if (!shape_.has_norm) continue;
            own.d_norm.carve(carver, shape_);
            own.d_together = carver.take<T>(shape_.sums.count * blocks * kWide);
            own.regained = carver.take<T>(shape_.rule_sums * blocks * kWide);
            for (T *&cell : own.cell) cell = call_.gain_cell ? carver.take<T>(blocks * kWide) : nullptr;
        }
        return carver.used();
    }

    void run(int member) {
        const Own &own = own_[member];
        const Rows rows = rows_of(plan_, member);
        const Part blocks = part_of(shape_.unit_blocks, member, plan_);
        pack(call_.w_hh, shape_.units, shape_.unit_blocks, member, state_panels_);
        if (input_panels_) pack(call_.w_ih, shape_.inputs, shape_.input_blocks, member, input_panels_);
        if (shape_.has_norm && member == 0) job_.norm.take(call_, shape_);
        begin(own, rows, blocks, member);
        meeting_.wait();
        std::size_t active = 0, filled = 0;
        bool has_added = false;
        for (std::size_t step = 0; step < call_.steps; ++step) {
            const std::size_t t = call_.reverse ? step : call_.steps - 1 - step;
            active = rows.active(t, active);
            if (active == 0) continue;
            if (filled + active > own.room) {
                add_up(own, blocks, member, filled, has_added);
                has_added = true, filled = 0;
                if (plan_.splits_units) meeting_.wait();
            }
            take_step(own, rows, blocks, member, {t, active, filled});
            filled += active;
        }
        add_up(own, blocks, member, filled, has_added);
        end(own, rows, blocks);
        meeting_.wait();
        if (weights_.are_wanted()) weights_.collect(own_, member);
    }

private:
    BackwardJob<T> &job_;
    const Call<T> &call_;
    const Gradients<T> &to_;
    const Shape<T> &shape_;
    const Plan &plan_;
    const BackwardRows<T> &cell_rows_;
    const WeightGradients<T> weights_;
    Barrier &meeting_;
    T *state_panels_ = nullptr, *input_panels_ = nullptr;
    std::size_t panel_ = 0;
    Own own_[kMostMembers];

    std::size_t room_for(std::size_t rows) const {
        const std::size_t steps = rows < kRowsAtOnce ? kRowsAtOnce / (rows ? rows : 1) : 1;
        return rows * (steps < call_.steps ? steps : call_.steps);
    }

    // A weight as it stands, cut into `count` panels of columns, each member its part of them.
    void pack(const T *weight, std::size_t columns, std::size_t count, int member, T *panels) const {
        const std::size_t depth = shape_.gates * shape_.units;
        const Part mine = part_of(count * depth, member, plan_.members);
        for (std::size_t place = mine.begin; place < mine.end; ++place) {
            const std::size_t first = place / depth * kWide, k = place % depth;
            const std::size_t left = columns - first < kWide ? columns - first : kWide;
            copy_padded(weight + k * columns + first, left, panels + place * kWide, kWide);
        }
    }

    // Gradients of the last states, and zeros wherever something is added up or no step will write.
    void begin(const Own &own, const Rows &rows, Part blocks, int member) const {
        const std::size_t H = shape_.units, stride = rows.count * kWide;
        const auto lay = [&](const T *grad, std::size_t row, T *place) {
            to_blocks(grad ? grad + row * H : nullptr, H, place, stride, blocks.begin, blocks.end);
        };
        for (std::size_t i = 0; i < rows.count; ++i) {
            const std::size_t row = rows.order[i];
            lay(to_.grad_h_n, row, own.d_h + i * kWide);
            if (own.d_c) lay(to_.grad_c_n, row, own.d_c + i * kWide);
            if (!to_.grad_x.data || (plan_.splits_units && member > 0)) continue;
            for (std::size_t t = rows.lengths[i]; t < call_.steps; ++t)
                clear(at(to_.grad_x, t, row), shape_.inputs);
        }
        clear(own.d_slope, kLanes);
        if (shape_.has_norm) own.d_norm.reset();
        if (shape_.vectors % 2 == 0 || blocks.end < shape_.unit_blocks) return;
        for (int sum = 1; sum <= shape_.sums.count;
             ++sum)  // the last block's second vector, which has no units
            for (std::size_t k = 0; k < own.room; ++k)
                clear(own.d_sums + ((sum * shape_.unit_blocks - 1) * own.room + k) * kWide + kLanes, kLanes);
    }

    void take_step(const Own &own, const Rows &rows, Part blocks, int member, const Step &now) const {
        for (std::size_t i = 0; i < now.active; ++i)
            own.places[now.filled + i] = {now.t, static_cast<std::size_t>(rows.order[i])};
        const Part mine = weights_.are_wanted() ? part_of(now.active, member, plan_) : Part{0, 0};
        for (std::size_t i = 0; i < now.active; i += kRowsTogether) {
            const Part some{i, i + kRowsTogether < now.active ? i + kRowsTogether : now.active};
            for (std::size_t k = some.begin; k < some.end; ++k)
                if (k >= mine.begin && k < mine.end) weights_.lay_row(own, rows, now, k);
            cell_rows_.turn(own, rows, blocks, now, some);
        }
        if (plan_.splits_units) meeting_.wait();
        multiply_back(own, rows, blocks, now);
        if (!own.d_recurrent && !call_.resets) return;
        for (std::size_t i = 0; i < now.active; ++i) arrive(own, rows, blocks, now, i);
    }

    // The gradients of the sums through W_hh.
    void multiply_back(const Own &own, const Rows &rows, Part blocks, const Step &now) const {
        const std::size_t stride = rows.count * kWide, H = shape_.units;
        Product<T> product{};
        product.n_pieces = 1;
        product.pieces[0] = {own.d_sums + now.filled * kWide,        own.room * kWide,
                             state_panels_ + blocks.begin * panel_,  panel_,
                             static_cast<std::size_t>(shape_.gates), shape_.unit_blocks,
                             H - (shape_.unit_blocks - 1) * kWide};
        product.result = (own.d_recurrent ? own.d_recurrent : own.d_h) + blocks.begin * stride;
        product.result_stride = stride;
        product.adds = job_.passes && !own.d_recurrent;
        multiply(product, 0, now.active, 0, blocks.end - blocks.begin);
    }

    // The product has come to row i's state before the step: through the mask, and not past a reset.
    void arrive(const Own &own, const Rows &rows, Part blocks, const Step &now, std::size_t i) const {
        const std::size_t row = rows.order[i], H = shape_.units, stride = rows.count * kWide;
        const bool anew = starts_anew(call_, row, rows.lengths[i], now.t);
        if (!anew && !own.d_recurrent) return;
        const std::size_t end = blocks.end * 2 < shape_.vectors ? blocks.end * 2 : shape_.vectors;
        for (std::size_t vector = blocks.begin * 2; vector < end; ++vector) {
            const std::size_t unit = vector * kLanes, left = H - unit < kLanes ? H - unit : kLanes;
            const std::size_t place = vector / 2 * stride + i * kWide + vector % 2 * kLanes;
            T *const d_h = own.d_h + place;
            if (anew) {
                S::store(d_h, Vec{});
                if (own.d_c) S::store(own.d_c + place, Vec{});
            } else {
                const Vec product =
                    S::load(own.d_recurrent + place) * units_at(call_.mask + row * H, unit, left);
                S::store(d_h, job_.passes ? S::load(d_h) + product : product);
            }
        }
    }

    // The products over all rows of steps that are filled.
    void add_up(const Own &own, Part blocks, int member, std::size_t filled, bool adds) const {
        if (weights_.are_wanted()) weights_.add(own, blocks, filled, adds);
        if (to_.grad_x.data) multiply_out(own, member, filled);
    }

    // The gradients of the sums through W_ih, in runs of sums that read the input.
    void multiply_out(const Own &own, int member, std::size_t filled) const {
        const std::size_t block_rows = own.room * kWide, H = shape_.units;
        const Part mine = part_of(shape_.input_blocks, member, plan_);
        const Sums &sums = shape_.sums;
        Product<T> product{};
        for (int sum = 0, depth = 0; sum < sums.count;) {
            int run = 0;
            while (sum + run < sums.count && sums.list[sum + run].reads != kState) ++run;
            if (run > 0)
                product.pieces[product.n_pieces++] = {own.d_sums + sum * shape_.unit_blocks * block_rows,
                                                      block_rows,
                                                      input_panels_ + mine.begin * panel_ + depth * H * kWide,
                                                      panel_,
                                                      static_cast<std::size_t>(run),
                                                      shape_.unit_blocks,
                                                      H - (shape_.unit_blocks - 1) * kWide};
            depth += run, sum += run > 0 ? run : 1;
        }
        product.result = own.d_x + mine.begin * block_rows;
        product.result_stride = block_rows;
        multiply(product, 0, filled, 0, mine.end - mine.begin);
        for (std::size_t k = 0; k < filled; ++k)
            from_blocks(own.d_x + k * kWide, block_rows, at(to_.grad_x, own.places[k].t, own.places[k].row),
                        shape_.inputs, mine.begin, mine.end);
    }

    void end(const Own &own, const Rows &rows, Part blocks) const {
        const std::size_t stride = rows.count * kWide, H = shape_.units;
        for (std::size_t i = 0; i < rows.count; ++i) {
            const std::size_t row = rows.order[i];
            if (to_.grad_h0)
                from_blocks(own.d_h + i * kWide, stride, to_.grad_h0 + row * H, H, blocks.begin, blocks.end);
            if (to_.grad_c0)
                from_blocks(own.d_c + i * kWide, stride, to_.grad_c0 + row * H, H, blocks.begin, blocks.end);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA

// Steps of whole networks of a sequence estimator: stem, recurrent core, pooling, readout, for some streams.
//
// Between the ends of the stem's blocks, the core steps from the state after the last whole block with the mean of
// the steps so far, as a whole run does with a last block that is shorter; then it goes back to that state.
#pragma once

#include "streaming/attention.hpp"
#include "streaming/readout.hpp"
#include "streaming/recurrent_step.hpp"
#include "streaming/stem_step.hpp"

namespace unrolled::UNROLLED_ISA {

// One step of one network for at most kStepRows streams.
class NetworkStep {
public:
    NetworkStep(const SequenceSteps &call, const SteppedNetwork &network) : call_(call), network_(network) {}

    void layout_scratch(ScratchArena &arena, std::size_t rows) {
        std::size_t states = 0;
        for (std::size_t k = 0; k < network_.n_layers; ++k)
            states += (network_.layers[k].c ? 2 : 1) * network_.layers[k].problem.units;
        core_ = arena.allocate<char>(network_.core_bytes);
        saved_ = stride() > 1 ? arena.allocate<float>(rows * states) : nullptr;
        features_ = arena.allocate<float>(network_.readout.features);
        scaled_ = arena.allocate<double>(readout_width(network_.readout.features));
        if (network_.pool && network_.pool->attended) {
            scores_ = arena.allocate<float>(rows);
            attention_ = arena.allocate<float>(AttentionSizes(units()).scratch_elements());
            attended_ = arena.allocate<float>(units() + 2);
        }
    }
    // Lay out the stem's scratch too, and step; x (count, F) are the scaled inputs, outputs begin `row_stride` apart.
    void run(ScratchArena arena, const std::int64_t *streams, std::size_t count, const float *x, double *outputs,
             std::size_t row_stride) const {
        read_inputs(arena, streams, count, x);
        if (saved_) move_states<true>(streams, count);
        const auto width = static_cast<std::ptrdiff_t>(core_width());
        StepView<const float> from{network_.inputs, 0, width};
        for (std::size_t k = 0; k < network_.n_layers; ++k) {
            const SteppedLayer<float> &layer = network_.layers[k];
            const auto units = static_cast<std::ptrdiff_t>(layer.problem.units);
            step_layer(layer, streams, count, from, StepView<float>{layer.h, 0, units}, core_);
            from = {layer.h, 0, units};
        }
        if (scores_) score(streams, count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto stream = static_cast<std::size_t>(streams[i]);
            write_features(stream, i, x + i * call_.n_inputs);
            read_out(network_.readout, features_, scaled_, outputs + i * row_stride);
        }
        if (saved_) move_states<false>(streams, count);
    }
    void layout_stem(ScratchArena &arena, std::size_t rows) const {
        if (!network_.stem) return;
        StemStep stem(*network_.stem);
        stem.layout_scratch(arena, rows);
    }

private:
    const SequenceSteps &call_;
    const SteppedNetwork &network_;
    char *core_ = nullptr;
    float *saved_ = nullptr, *features_ = nullptr, *scores_ = nullptr, *attention_ = nullptr, *attended_ = nullptr;
    double *scaled_ = nullptr;

    std::size_t stride() const { return network_.stem ? network_.stem->stem.stride : 1; }
    std::size_t core_width() const { return network_.layers[0].problem.inputs; }
    const SteppedLayer<float> &last_layer() const { return network_.layers[network_.n_layers - 1]; }
    std::size_t units() const { return last_layer().problem.units; }
    const float *state_of(std::size_t stream) const { return last_layer().h + stream * units(); }
    bool ends_block(std::size_t stream) const {
        return (static_cast<std::size_t>(call_.steps[stream]) + 1) % stride() == 0;
    }

    void read_inputs(ScratchArena &arena, const std::int64_t *streams, std::size_t count, const float *x) const {
        if (network_.stem) {
            StemStep stem(*network_.stem);
            stem.layout_scratch(arena, count);
            return stem.run(streams, count, call_.steps, x, network_.inputs);
        }
        const std::size_t F = call_.n_inputs;
        for (std::size_t i = 0; i < count; ++i)
            copy_padded(x + i * F, F, network_.inputs + static_cast<std::size_t>(streams[i]) * F, F);
    }

    // Keep the states of the streams whose block goes on, or put them back.
    template <bool kKeeps>
    void move_states(const std::int64_t *streams, std::size_t count) const {
        float *kept = saved_;
        for (std::size_t k = 0; k < network_.n_layers; ++k) {
            const SteppedLayer<float> &layer = network_.layers[k];
            const std::size_t H = layer.problem.units;
            for (float *const part : {layer.h, layer.c}) {
                for (std::size_t i = 0; part && i < count; ++i, kept += H) {
                    const auto stream = static_cast<std::size_t>(streams[i]);
                    if (ends_block(stream)) continue;
                    kKeeps ? copy_padded(part + stream * H, H, kept, H) : copy_padded(kept, H, part + stream * H, H);
                }
            }
        }
    }

    void score(const std::int64_t *streams, std::size_t count) const {
        for (std::size_t first = 0; first < count; first += AttentionSizes::kRows) {
            const float *states[AttentionSizes::kRows];
            const std::size_t left = count - first, some = left < AttentionSizes::kRows ? left : AttentionSizes::kRows;
            for (std::size_t i = 0; i < some; ++i) states[i] = state_of(static_cast<std::size_t>(streams[first + i]));
            score_states(network_.pool->attention, states, some, attention_, scores_ + first);
        }
    }

    // The features of a stream at this step, and its sums and maxima where a block ends.
    void write_features(std::size_t stream, std::size_t i, const float *x) const {
        const std::size_t F = call_.n_inputs, H = units();
        float *to = features_;
        if (network_.pool) {
            const auto step = static_cast<std::size_t>(call_.steps[stream]);
            to = write_pooled(stream, i, step / stride(), to);
            if (!network_.reads_inputs) return;
            copy_padded(x, F, to, F);
            double *const sum = network_.direct_sum + stream * F;
            for (std::size_t f = 0; f < F; ++f) {
                if (step == 0) sum[f] = 0.0;
                sum[f] += static_cast<double>(x[f]);
                to[F + f] = static_cast<float>(sum[f] / static_cast<double>(step + 1));
            }
            return;
        }
        copy_padded(state_of(stream), H, to, H);
        if (network_.reads_inputs) copy_padded(x, F, to + H, F);
    }

    float *write_pooled(std::size_t stream, std::size_t i, std::size_t block, float *to) const {
        const SteppedPool &pool = *network_.pool;
        const std::size_t H = pool.units;
        const float *const h = state_of(stream);
        const bool is_kept = ends_block(stream);
        const float inverse = 1.0f / static_cast<float>(block + 1);
        for (std::size_t k = 0; k < pool.count; ++k, to += H) {
            if (pool.list[k] == Pooling::kLast) {
                copy_padded(h, H, to, H);
            } else if (pool.list[k] == Pooling::kMean) {
                float *const sum = pool.sum + stream * H;
                for (std::size_t unit = 0; unit < H; ++unit) {
                    const float total = (block ? sum[unit] : 0.0f) + h[unit];
                    if (is_kept) sum[unit] = total;
                    to[unit] = total * inverse;
                }
            } else if (pool.list[k] == Pooling::kMax) {
                float *const max = pool.max + stream * H;
                for (std::size_t unit = 0; unit < H; ++unit) {
                    const float top = block && h[unit] <= max[unit] ? max[unit] : h[unit];
                    if (is_kept) max[unit] = top;
                    to[unit] = top;
                }
            } else {
                float *const sums = pool.attended + stream * (H + 2), *const after = is_kept ? sums : attended_;
                attend(sums, block == 0, h, scores_[i], H, after);
                read_attended(after, H, to);
            }
        }
        return to;
    }
};

// Pack the weights of stem, attention and readout into `block`, which may be null; return the bytes needed.
inline std::size_t pack_network(SteppedNetwork &network, void *block) {
    ScratchArena arena(block);
    if (SteppedStem *const stem = network.stem) {
        const StemSizes sizes(stem->stem);
        stem->panels = arena.allocate<float>(sizes.vectors * sizes.panel);
        stem->biases = arena.allocate<float>(sizes.vectors * StemSizes::kLanes);
        if (block) sizes.pack(stem->panels, stem->biases);
    }
    if (network.pool && network.pool->attended) {
        Attention &attention = network.pool->attention;
        layout_attention(arena, attention);
        if (block) pack_attention(attention);
    }
    network.readout.packed = arena.allocate<double>(readout_elements(network.readout));
    if (block) pack_readout(network.readout);
    return arena.bytes();
}

// What a thread needs for any of the networks.
inline std::size_t count_sequence_bytes(const SequenceSteps &call, std::size_t rows) {
    rows = rows < kStepRows ? rows : kStepRows;
    std::size_t most = 0;
    for (std::size_t m = 0; m < call.n_networks; ++m) {
        ScratchArena arena(nullptr);
        arena.allocate<float>(rows * call.n_inputs);
        arena.allocate<double>(rows * call.n_networks * call.n_outputs);
        arena.allocate<std::int64_t>(2 * rows);
        NetworkStep network(call, call.networks[m]);
        network.layout_scratch(arena, rows);
        network.layout_stem(arena, rows);
        most = arena.bytes() > most ? arena.bytes() : most;
    }
    return most;
}

// All steps of some streams, on the calling thread.
inline void step_sequences(const SequenceSteps &call, std::size_t first, std::size_t last, void *scratch) {
    const std::size_t M = call.n_networks, K = call.n_outputs, F = call.n_inputs;
    for (; first < last; first += kStepRows) {
        const std::size_t rows = last - first < kStepRows ? last - first : kStepRows;
        ScratchArena arena(scratch);
        float *const x = arena.allocate<float>(rows * F);
        double *const outputs = arena.allocate<double>(rows * M * K);
        std::int64_t *const streams = arena.allocate<std::int64_t>(2 * rows), *const places = streams + rows;
        for (std::int64_t round = 0;; ++round) {
            std::size_t count = 0;
            for (std::size_t k = first; k < first + rows; ++k) {
                if (call.counts[k] <= round) continue;
                streams[count] = call.streams[k], places[count++] = call.begins[k] + round;
            }
            if (count == 0) break;
            for (std::size_t i = 0; i < count; ++i)
                for (std::size_t f = 0; f < F; ++f) {
                    const double z = (call.x[static_cast<std::size_t>(places[i]) * F + f] - call.mean[f]) / call.scale[f];
                    x[i * F + f] = static_cast<float>(z < -call.limit ? -call.limit : z > call.limit ? call.limit : z);
                }
            for (std::size_t m = 0; m < M; ++m) {
                ScratchArena own = arena;
                NetworkStep network(call, call.networks[m]);
                network.layout_scratch(own, rows);
                network.run(own, streams, count, x, outputs + m * K, M * K);
            }
            for (std::size_t i = 0; i < count; ++i) {
                call.answer(outputs + i * M * K, M, K, call.is_class,
                            call.out + static_cast<std::size_t>(places[i]) * K);
                ++call.steps[streams[i]];
            }
        }
    }
}

}  // namespace unrolled::UNROLLED_ISA

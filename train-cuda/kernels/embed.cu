// From token ids to streams, and the gradient back into the embedding table, where tokens that are the same word are added up.
#include "vector.cuh"

// x[token][stream] = dropout(scale * table[ids[token]]) for every stream.
// table: [vocabulary][width]; ids: [tokens]; x: [tokens][streams * width]. Blocks of 256 threads, four columns of a token a thread.
extern "C" __global__ void __launch_bounds__(256)
    embed(const float *__restrict__ table, const uint32_t *__restrict__ ids, const StepWords *__restrict__ words, float *__restrict__ x, int tokens, int width,
          int streams, float scale, uint64_t seed, uint32_t site, uint32_t threshold, float keep_scale, int first_token) {
    uint32_t index = blockIdx.x * 256 + threadIdx.x, pieces = width / 4;
    int token = index / pieces, column = 4 * (index % pieces);
    if (token >= tokens) return;
    Mask mask(seed, words->step, site, threshold, keep_scale);
    float4 v = load4(table + (size_t)ids[token] * width + column) * scale;
    v = apply4(mask, v, (uint32_t)(first_token + token) * width + column);
    float *to = x + (size_t)token * streams * width + column;
    for (int s = 0; s < streams; s++) store4(to + (size_t)s * width, v);
}

constexpr int SCAN_WARPS = 8;
// Ids looked at between two barriers.
constexpr int SCAN = SCAN_WARPS * 128;

// Adds the gradient of `embed` to d_table. d_x: [tokens][streams * width]; d_table: [vocabulary][width].
//
// A block of 256 threads a token. Only the block of the first token with its id does anything: it finds the others, in order, and owns
// their row of the table, so nothing is added twice or in an order that changes. The work on a list of tokens is cut into units of 128
// columns and every `teams`-th token, a warp each; their sums meet in `shared`, max(8, width / 128) * 512 bytes.
extern "C" __global__ void __launch_bounds__(SCAN_WARPS * 32)
    embed_backward(const uint32_t *__restrict__ ids, const StepWords *__restrict__ words, const float *__restrict__ d_x, float *__restrict__ d_table, int tokens,
                   int width, int streams, float scale, uint64_t seed, uint32_t site, uint32_t threshold, float keep_scale, int first_token) {
    extern __shared__ __align__(128) unsigned char shared[];
    float *parts = (float *)shared; // [units][128]
    __shared__ int found[SCAN];
    __shared__ int counts[SCAN_WARPS];
    __shared__ int seen[2];
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    int token = blockIdx.x;
    uint32_t id = ids[token];
    if (threadIdx.x < 2) seen[threadIdx.x] = 0;
    __syncthreads();
    // Is it the first? The nearest are looked at first: a common word has been seen not long ago. Two flags take turns, so that one barrier
    // a round is enough.
    for (int end = token, turn = 0; end > 0; end -= SCAN, turn ^= 1) {
        bool same = false;
        for (int i = threadIdx.x; i < SCAN; i += SCAN_WARPS * 32) same |= i < end && ids[end - 1 - i] == id;
        if (same) seen[turn] = 1;
        __syncthreads();
        if (seen[turn]) return;
    }
    Mask mask(seed, words->step, site, threshold, keep_scale);
    int slices = width / 128;
    int teams = max(1, SCAN_WARPS / slices);
    for (int first = token; first < tokens; first += SCAN) {
        // A warp looks at 128 ids in a row and counts; the counts of the warps before it say where its finds go.
        uint32_t same[4];
        int count = 0, from = first + warp * 128;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int at = from + 32 * i + lane;
            same[i] = __ballot_sync(0xffffffffu, at < tokens && ids[at] == id);
            count += __popc(same[i]);
        }
        if (lane == 0) counts[warp] = count;
        __syncthreads();
        int to = 0, total = 0;
#pragma unroll
        for (int w = 0; w < SCAN_WARPS; w++) {
            to += w < warp ? counts[w] : 0;
            total += counts[w];
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (same[i] >> lane & 1) found[to + __popc(same[i] & ((1u << lane) - 1))] = from + 32 * i + lane;
            to += __popc(same[i]);
        }
        __syncthreads();
        if (total == 0) continue;
        for (int unit = warp; unit < slices * teams; unit += SCAN_WARPS) {
            int column = 128 * (unit % slices) + 4 * lane;
            float4 sum = splat4(0.0f);
#pragma unroll 4
            for (int i = unit / slices; i < total; i += teams) {
                const float *row = d_x + (size_t)found[i] * streams * width + column;
                float4 v = load4(row);
                for (int s = 1; s < streams; s++) v = v + load4(row + (size_t)s * width);
                sum = sum + apply4(mask, v, (uint32_t)(first_token + found[i]) * width + column);
            }
            store4(parts + 128 * unit + 4 * lane, sum);
        }
        __syncthreads();
        for (int column = 4 * threadIdx.x; column < width; column += 4 * SCAN_WARPS * 32) {
            float4 sum = load4(parts + column);
            for (int team = 1; team < teams; team++) sum = sum + load4(parts + team * width + column);
            float *row = d_table + (size_t)id * width + column;
            store4(row, load4(row) + scale * sum);
        }
    }
}

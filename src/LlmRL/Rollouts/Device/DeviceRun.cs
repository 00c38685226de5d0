using LlmRL.Native;
using LlmRL.Rollouts.Cpu;
using static TorchSharp.torch;

namespace LlmRL.Rollouts.Device;

/// <summary>
/// Continuous batching on a device: all slots step together, and every few steps the host looks which have finished, takes their completions, and gives them new samples. A
/// slot that finishes in between idles until then.
/// </summary>
/// <param name="state">The slots; none is active.</param>
/// <param name="prefill">Fills them with prompts.</param>
/// <param name="request">What is asked for.</param>
/// <param name="run">Runs a step that reads so many positions of the cache.</param>
internal sealed class DeviceRun(DecodeState state, PromptPrefill prefill, RolloutRequest request, Action<int> run)
{
    private readonly int slots = state.Shape.Slots, maxNewTokens = request.Options.MaxNewTokens;
    private readonly long[] mirror = new long[DecodeState.Rows * state.Shape.Slots];
    private readonly Sample?[] running = new Sample?[state.Shape.Slots];
    private readonly double[] uniforms = new double[state.Shape.Slots * DecodeState.Steps];
    private readonly Completion[] results = new Completion[request.Prompts.Count * request.Samples];
    private readonly List<Completion> unreported = [];
    private int next, finished;

    /// <summary>Runs to the end; results in the order (prompt, sample).</summary>
    public Completion[] Run(CancellationToken cancellation)
    {
        WriteStops();
        while (finished < results.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            Refill();
            var (steps, length) = Plan();
            Upload();
            for (var step = 0; step < steps; step++)
                run(length);
            // While the device works.
            Report();
            Look();
        }

        Report();
        return results;
    }

    private ref long At(int row, int slot) => ref mirror[row * slots + slot];

    private void WriteStops()
    {
        using var scope = NewDisposeScope();
        var stops = new long[state.Stops.size(0)];
        foreach (var id in request.Options.StopIds)
            stops[id] = 1;
        state.Stops.copy_(tensor(stops));
    }

    /// <summary>Gives free slots the next samples, in the order (prompt, sample), so that at most one prompt has samples yet to start: the cache's last row keeps it.</summary>
    private void Refill()
    {
        var (prompts, kept) = (new List<PrefilledPrompt>(), new List<int>());
        var filled = new List<(int Slot, int[] Prompt)>();
        var (first, started) = (next / request.Samples, next % request.Samples > 0);
        for (var slot = 0; slot < slots && next < results.Length; slot++)
        {
            if (running[slot] is not null)
                continue;
            var (prompt, sample) = (next / request.Samples, next % request.Samples);
            if (started && prompt == first)
                kept.Add(slot);
            else if (sample == 0)
                prompts.Add(new PrefilledPrompt(request.Prompts[prompt], [slot]));
            else
                prompts[^1].Rows.Add(slot);
            Start(slot, prompt, sample);
            filled.Add((slot, request.Prompts[prompt]));
            next++;
        }

        if (filled.Count == 0)
            return;
        prefill.CopyKept(request.Prompts[first].Length - 1, kept);
        if (next < results.Length && next % request.Samples > 0 && prompts.Count > 0)
            prompts[^1].Rows.Add(slots);
        prefill.Run(prompts);
        MarkSeen(filled);
    }

    private void Start(int slot, int prompt, int sample)
    {
        var tokens = request.Prompts[prompt];
        running[slot] = new Sample(prompt, sample, request.KeyOf(prompt, sample));
        At(DecodeState.TokenRow, slot) = tokens[^1];
        At(DecodeState.PositionRow, slot) = tokens.Length - 1;
        At(DecodeState.LengthRow, slot) = 0;
        At(DecodeState.ActiveRow, slot) = 1;
        At(DecodeState.FailedRow, slot) = -1;
    }

    /// <summary>Marks the ids of the prompts of slots that start, and no others.</summary>
    private void MarkSeen(IReadOnlyList<(int Slot, int[] Prompt)> filled)
    {
        if (state.Seen is not { } seen)
            return;
        using var scope = NewDisposeScope();
        var longest = filled.Max(item => item.Prompt.Length);
        var ids = new long[filled.Count * longest];
        for (var i = 0; i < filled.Count; i++)
        {
            for (var t = 0; t < longest; t++)
                ids[i * longest + t] = filled[i].Prompt[Math.Min(t, filled[i].Prompt.Length - 1)];
        }

        var index = tensor(ids, [filled.Count, longest]).to(seen.device);
        var marks = zeros([filled.Count, seen.size(1)], dtype: ScalarType.Bool, device: seen.device).scatter_(1, index, ones_like(index, dtype: ScalarType.Bool));
        seen.index_copy_(0, tensor(filled.Select(item => (long)item.Slot).ToArray()).to(seen.device), marks);
    }

    /// <summary>How many steps until the next look: no more than the slot with most to go may take; and how many positions they read.</summary>
    private (int Steps, int Length) Plan()
    {
        var (steps, longest) = (0, 0);
        for (var slot = 0; slot < slots; slot++)
        {
            if (running[slot] is null)
                continue;
            steps = Math.Max(steps, maxNewTokens - (int)At(DecodeState.LengthRow, slot));
            longest = Math.Max(longest, (int)At(DecodeState.PositionRow, slot));
        }

        steps = Math.Min(steps, DecodeState.Steps);
        // A slot that finishes in the last step but one idles a position further on.
        return (steps, Math.Min(LengthBuckets.Of(longest + steps + 1), state.Shape.Length));
    }

    private void Upload()
    {
        using var scope = NewDisposeScope();
        state.Slots.copy_(tensor(mirror, [DecodeState.Rows, slots]));
        state.Step.zero_();
        if (request.Options.Temperature == 0)
            return;
        for (var slot = 0; slot < slots; slot++)
        {
            if (running[slot] is { } sample)
                CounterRandom.Uniforms(sample.Key, (ulong)At(DecodeState.LengthRow, slot), uniforms.AsSpan(slot * DecodeState.Steps, DecodeState.Steps));
        }

        state.Uniforms.copy_(tensor(uniforms, [slots, DecodeState.Steps]));
    }

    /// <summary>Waits for the device, and takes what has finished.</summary>
    private void Look()
    {
        using var scope = NewDisposeScope();
        var before = mirror.AsSpan(DecodeState.LengthRow * slots, slots).ToArray();
        NativeTorch.AsSpan<long>(state.Slots.cpu()).CopyTo(mirror);
        CheckFinite(before);
        // In the order in which they finished.
        var done = Enumerable.Range(0, slots).Where(slot => running[slot] is not null && At(DecodeState.ActiveRow, slot) == 0)
            .OrderBy(slot => At(DecodeState.LengthRow, slot) - before[slot]).ToArray();
        if (done.Length == 0)
            return;
        var rows = tensor(done.Select(slot => (long)slot).ToArray()).to(state.Slots.device);
        var longest = (int)done.Max(slot => At(DecodeState.LengthRow, slot));
        var tokens = NativeTorch.AsSpan<long>(state.Tokens.narrow(1, 0, longest).index_select(0, rows).cpu());
        var logProbs = NativeTorch.AsSpan<float>(state.LogProbs.narrow(1, 0, longest).index_select(0, rows).cpu());
        for (var i = 0; i < done.Length; i++)
        {
            var length = (int)At(DecodeState.LengthRow, done[i]);
            Complete(done[i], tokens.Slice(i * longest, length), logProbs.Slice(i * longest, length));
        }
    }

    private void Complete(int slot, ReadOnlySpan<long> tokens, ReadOnlySpan<float> logProbs)
    {
        var sample = running[slot]!;
        var ids = new int[tokens.Length];
        for (var i = 0; i < ids.Length; i++)
            ids[i] = (int)tokens[i];
        var reason = request.Options.StopIds.Contains(ids[^1]) ? FinishReason.Stop : FinishReason.Length;
        var completion = new Completion(sample.Prompt, sample.Number, ids, logProbs.ToArray(), reason);
        results[sample.Prompt * request.Samples + sample.Number] = completion;
        unreported.Add(completion);
        finished++;
        running[slot] = null;
        // An idle slot goes on reading: a position that every step sees.
        At(DecodeState.TokenRow, slot) = At(DecodeState.PositionRow, slot) = At(DecodeState.LengthRow, slot) = 0;
    }

    /// <summary>Throws for the first failure in the order of steps, then of slots.</summary>
    private void CheckFinite(long[] before)
    {
        var failed = Enumerable.Range(0, slots).Where(slot => running[slot] is not null && At(DecodeState.FailedRow, slot) >= 0).ToArray();
        if (failed.Length == 0)
            return;
        var slot = failed.MinBy(slot => At(DecodeState.FailedRow, slot) - before[slot]);
        throw new NonFiniteException(RolloutChecks.NonFinite(running[slot]!.Prompt, (int)At(DecodeState.FailedRow, slot)));
    }

    private void Report()
    {
        foreach (var completion in unreported)
            request.OnFinished?.Invoke(completion);
        unreported.Clear();
    }

    private sealed record Sample(int Prompt, int Number, ulong Key);
}

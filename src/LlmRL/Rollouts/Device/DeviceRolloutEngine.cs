using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Native;
using LlmRL.Rollouts.Cpu;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Rollouts.Device;

/// <summary>
/// Samples completions where the model lives, in tensor operators, its weights read where training writes them. On CUDA a step is a graph, one for each length of the cache
/// that is read. Tokens are those of <see cref="RolloutEngine"/> up to rounding: how a product sums depends on how many rows it has.
/// </summary>
internal sealed class DeviceRolloutEngine : IRolloutEngine
{
    private const int DefaultSlots = 256;

    private readonly Transformer model;
    private readonly MergedWeights? merged;
    private readonly Action<string> warn;
    private readonly Dictionary<int, DeviceGraph> graphs = [];

    // Not the model's own: recorded steps read these where they lie, and the model's are replaced as soon as training has a longer sequence.
    private readonly RotaryTables? rotary;
    private DeviceWeights? weights;
    private DecodeState? state;
    private DecodeStep? step;
    private SamplingOptions? recorded;
    private int slots, slotLimit = int.MaxValue;
    private bool cannotRecord;
    private int busy;

    /// <summary>Makes an engine on a model, which must outlive it.</summary>
    /// <param name="model">The model, weights and adapters read at every step.</param>
    /// <param name="merged">Where the model has adapters: their merged weights, refreshed by the caller.</param>
    /// <param name="warn">Is told where a step cannot be recorded, and where memory runs out.</param>
    /// <param name="maxSlots">Most samples decoded at once; 0 chooses. Memory may lower it in a call.</param>
    public DeviceRolloutEngine(Transformer model, MergedWeights? merged = null, Action<string>? warn = null, int maxSlots = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxSlots);
        (this.model, this.merged, this.warn) = (model, merged, warn ?? (_ => { }));
        MaxSlots = maxSlots > 0 ? maxSlots : DefaultSlots;
        rotary = model.Config.Positions == PositionKind.Rotary ? new RotaryTables(model.Config, model.Device) : null;
    }

    /// <inheritdoc/>
    public int MaxSlots { get; }

    /// <summary>Whether steps are recorded where the device can.</summary>
    internal bool UsesGraphs { get; init; } = true;

    /// <summary>How many graphs are recorded now.</summary>
    internal int RecordedGraphs => graphs.Values.Count(graph => graph.IsRecorded);

    /// <inheritdoc/>
    public IReadOnlyList<Completion> Generate(
        IReadOnlyList<int[]> prompts, int samplesPerPrompt, SamplingOptions options, SampleKey key, Action<Completion>? onFinished = null,
        CancellationToken cancellation = default, IReadOnlyList<ulong>? promptKeys = null)
    {
        RolloutChecks.Check(model.Config, prompts, samplesPerPrompt, options, promptKeys);
        if (prompts.Count == 0)
            return [];
        if (Interlocked.Exchange(ref busy, 1) != 0)
            throw new InvalidOperationException("The engine is generating already: use one engine per thread, or one call at a time.");
        try
        {
            using var guard = no_grad();
            var request = new RolloutRequest(prompts, samplesPerPrompt, options, key, promptKeys, onFinished);
            return Run(request, cancellation);
        }
        catch
        {
            // Numbers that are not finite must not stay in the cache: a hidden position weighs 0, and 0 · NaN is NaN.
            Forget();
            throw;
        }
        finally
        {
            Volatile.Write(ref busy, 0);
        }
    }

    /// <summary>Frees cache and graphs.</summary>
    public void Dispose()
    {
        Forget();
        rotary?.Dispose();
    }

    /// <summary>Runs a request, again from the start with half the slots where memory runs out: what was reported stays as it was and is not reported again.</summary>
    private Completion[] Run(RolloutRequest request, CancellationToken cancellation)
    {
        var samples = checked(request.Prompts.Count * request.Samples);
        var longest = request.Prompts.Max(prompt => prompt.Length) + request.Options.MaxNewTokens;
        var reported = new Completion?[samples];
        while (true)
        {
            using var scope = NewDisposeScope();
            try
            {
                Prepare(request.Options, longest, samples);
                var results = new DeviceRun(state!, new PromptPrefill(model, state!), request with { OnFinished = Report }, RunStep).Run(cancellation);
                return [.. results.Select((completion, i) => reported[i] ?? completion)];
            }
            catch (Exception fault) when (NativeTorch.IsOutOfMemory(fault) && slots > 1)
            {
                slotLimit = slots / 2;
                warn($"out of memory with {slots} completions at once; going on with {slotLimit}");
                Forget();
            }
        }

        void Report(Completion completion)
        {
            ref var before = ref reported[completion.PromptIndex * request.Samples + completion.SampleIndex];
            if (before is not null)
                return;
            request.OnFinished?.Invoke(completion);
            before = completion;
        }
    }

    /// <summary>Makes slots, unless those of the last call do, and drops graphs of another step.</summary>
    private void Prepare(SamplingOptions options, int longest, int samples)
    {
        var current = new DeviceWeights(model, merged);
        var marksSeen = options.RepetitionPenalty != 1;
        var wanted = Math.Min(Math.Min(MaxSlots, slotLimit), samples);
        var length = LengthBuckets.Of(longest);
        var serves = state is not null && weights is not null && marksSeen == (state.Seen is not null) && state.Shape.Holds(length, options.MaxNewTokens) && current.LieWhere(weights);
        if (!serves || !IsRightSize(wanted, () => ChooseSlots(wanted, length, options, current.ElementSize)))
        {
            slots = ChooseSlots(wanted, length, options, current.ElementSize);
            Forget();
            state = new DecodeState(model.Config, new DecodeShape(slots, length, options.MaxNewTokens), current.ComputeType, model.Device, marksSeen);
            weights = current;
        }

        if (step is not null && recorded is not null && StepsAlike(options, recorded))
            return;
        DropGraphs();
        recorded = options;
        step = new DecodeStep(model.Config, weights!, state!, new DeviceSampler(options, model.Config.VocabSize, state!), rotary?.UpTo(state!.Shape.Length));
    }

    private void RunStep(int length)
    {
        if (!graphs.TryGetValue(length, out var graph))
        {
            var made = step!;
            graphs[length] = graph = new DeviceGraph(model.Device, () => made.Run(length), Warn, graphs.Values.FirstOrDefault(), UsesGraphs && !cannotRecord);
        }

        graph.Run();
    }

    private void Warn(string reason)
    {
        if (!cannotRecord)
            warn($"decoding goes on without CUDA graphs: a step could not be recorded ({reason})");
        cannotRecord = true;
    }

    /// <summary>Whether a step made for some options is the same for others: their numbers are part of it, but not the stop ids themselves.</summary>
    private static bool StepsAlike(SamplingOptions one, SamplingOptions other) =>
        one with { StopIds = other.StopIds } == other && one.StopIds.Count > 0 == other.StopIds.Count > 0;

    private void Forget()
    {
        DropGraphs();
        state?.Dispose();
        (state, step, recorded) = (null, null, null);
    }

    private void DropGraphs()
    {
        foreach (var graph in graphs.Values)
            graph.Dispose();
        graphs.Clear();
    }

    /// <summary>
    /// Whether there are as many slots as are wanted, or nearly as many as memory allows, and not more than twice as many: all take part in every step. What is free changes
    /// with every step of training, and making slots anew costs more than a few of them bring.
    /// </summary>
    private bool IsRightSize(int wanted, Func<int> affordable)
    {
        return slots <= 2 * wanted && (slots >= wanted || slots * 5 / 4 >= affordable());
    }

    /// <summary>As many slots as are wanted, if they take no more than half of the memory that is free, or that the process may use.</summary>
    private int ChooseSlots(int wanted, int length, SamplingOptions options, int elementSize)
    {
        long Bytes(int positions) => DecodeState.BytesPerSlot(model.Config, positions, options, elementSize);
        var free = model.Device.type == DeviceType.CUDA
            ? cuda.mem_get_info().Free + (state is null ? 0 : Bytes(state.Shape.Length) * state.Shape.Slots)
            : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        // One row more than slots keeps a prompt.
        return (int)Math.Clamp(free / 2 / Bytes(length) - 1, 1, wanted);
    }
}

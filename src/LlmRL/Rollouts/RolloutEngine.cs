using LlmRL.Models;
using LlmRL.Numerics;
using LlmRL.Rollouts.Cpu;

namespace LlmRL.Rollouts;

/// <summary>
/// Samples completions on the CPU from the very weights that training updates. A completion depends on the weights, its prompt, the options and
/// its key alone, bit for bit: not on the number of slots or threads, the other prompts, or the order in which slots are refilled.
/// One <see cref="Generate"/> at a time; the weights must not change while it runs.
/// </summary>
public sealed class RolloutEngine : IRolloutEngine
{
    private const int DefaultSlots = 64, PromptColumns = 32;

    private readonly ModelConfig _config;
    private readonly CpuDecoder _decoder;
    private int _busy;

    /// <summary>Makes an engine on a model's weights, which must outlive it.</summary>
    /// <param name="weights">The weights, read at every step.</param>
    /// <param name="maxSlots">Most samples decoded at once; 0 chooses. Memory for the key/value cache may lower it in a call.</param>
    /// <param name="threads">Threads; 0 takes one per processor.</param>
    public RolloutEngine(DecoderWeights weights, int maxSlots = 0, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentOutOfRangeException.ThrowIfNegative(maxSlots);
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        _config = weights.Config;
        MaxSlots = maxSlots > 0 ? maxSlots : DefaultSlots;
        // Making the model's first weights leaves freed blocks behind, which the cache would come on top of.
        FreedMemory.GiveBack();
        _decoder = new CpuDecoder(weights, MaxSlots + PromptColumns, threads > 0 ? threads : Environment.ProcessorCount);
    }

    /// <inheritdoc/>
    public int MaxSlots { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Completion> Generate(
        IReadOnlyList<int[]> prompts, int samplesPerPrompt, SamplingOptions options, SampleKey key, Action<Completion>? onFinished = null,
        CancellationToken cancellation = default, IReadOnlyList<ulong>? promptKeys = null)
    {
        RolloutChecks.Check(_config, prompts, samplesPerPrompt, options, promptKeys);
        if (prompts.Count == 0)
            return [];
        if (Interlocked.Exchange(ref _busy, 1) != 0)
            throw new InvalidOperationException("The engine is generating already: use one engine per thread, or one call at a time.");
        try
        {
            var longest = prompts.Max(prompt => prompt.Length) + options.MaxNewTokens;
            var samples = (long)prompts.Count * samplesPerPrompt;
            var slots = ChooseSlots(samples, longest);
            _decoder.Reserve(RolloutRun.Sequences(slots, samples), longest);
            var request = new RolloutRequest(prompts, samplesPerPrompt, options, key, promptKeys, onFinished);
            return new RolloutRun(_decoder, request, slots).Run(cancellation);
        }
        finally
        {
            _decoder.ReleaseLogits();
            Volatile.Write(ref _busy, 0);
        }
    }

    /// <summary>Frees the cache and the threads.</summary>
    public void Dispose() => _decoder.Dispose();

    // The cache may take half of the memory that the process may use.
    private int ChooseSlots(long samples, int longest)
    {
        var pages = (longest + KeyValuePages.PageSize - 1) / KeyValuePages.PageSize;
        var perSequence = pages * KeyValuePages.BytesPerPage(_config.NumLayers, _config.NumKeyValueHeads, _config.HeadDim);
        var affordable = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2 / perSequence;
        var slots = (int)Math.Min(MaxSlots, samples);
        while (slots > 1 && RolloutRun.Sequences(slots, samples) > affordable)
            slots--;
        return slots;
    }
}

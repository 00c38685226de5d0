using LlmRL.Models;
using LlmRL.Numerics;
using LlmRL.Rollouts.Cpu;

namespace LlmRL.Rollouts;

/// <summary>
/// Samples completions on the CPU from the very weights that training updates. A completion depends on the weights, its prompt, the options and
/// its key alone, bit for bit: not on the number of slots or threads, the other prompts, or the order in which slots are refilled.
/// One <see cref="Generate"/> at a time; the weights must not change while it runs.
/// </summary>
public sealed class RolloutEngine : IDisposable
{
    private const int DefaultSlots = 64, PromptColumns = 64;

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

    /// <summary>Most samples decoded at once.</summary>
    public int MaxSlots { get; }

    /// <summary>Samples <paramref name="samplesPerPrompt"/> completions of every prompt.</summary>
    /// <param name="prompts">Token ids; none empty, and room for <see cref="SamplingOptions.MaxNewTokens"/> after each.</param>
    /// <param name="samplesPerPrompt">G ≥ 1.</param>
    /// <param name="options">How tokens are sampled.</param>
    /// <param name="key">What the randomness is keyed by.</param>
    /// <param name="onFinished">Called on this thread as completions finish, in the order in which they do; keep it short.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    /// <param name="promptKeys">Keys to use for the prompts in place of their index, so that a prompt's completions do not depend on its place.</param>
    /// <returns>The completions in the order (prompt, sample).</returns>
    /// <exception cref="BadInputException">A prompt or an option is out of range.</exception>
    /// <exception cref="NonFiniteException">A logit is not finite.</exception>
    /// <exception cref="InvalidOperationException">Another call is running.</exception>
    public IReadOnlyList<Completion> Generate(
        IReadOnlyList<int[]> prompts, int samplesPerPrompt, SamplingOptions options, SampleKey key, Action<Completion>? onFinished = null,
        CancellationToken cancellation = default, IReadOnlyList<ulong>? promptKeys = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samplesPerPrompt, 1);
        CheckOptions(options);
        CheckPrompts(prompts, options.MaxNewTokens);
        if (promptKeys is not null && promptKeys.Count != prompts.Count)
            throw new ArgumentException($"{promptKeys.Count} prompt keys for {prompts.Count} prompts: give one for each.", nameof(promptKeys));
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

    private void CheckPrompts(IReadOnlyList<int[]> prompts, int maxNewTokens)
    {
        for (var i = 0; i < prompts.Count; i++)
        {
            var prompt = prompts[i];
            if (prompt.Length == 0)
                throw new BadInputException($"Prompt {i} is empty: give it at least one token, such as the beginning-of-sequence token.");
            if (prompt.Length + (long)maxNewTokens > _config.GenerationLength)
                throw new BadInputException(
                    $"Prompt {i} has {prompt.Length} tokens, which with max_new_tokens {maxNewTokens} exceeds the model's "
                    + $"{_config.GenerationLength} positions{(_config.GenerationLength < _config.ContextLength ? " (dynamic rope scaling cannot grow past them token by token)" : "")}: "
                    + "shorten the prompt or lower max_new_tokens.");
            foreach (var token in prompt)
            {
                if ((uint)token >= (uint)_config.VocabSize)
                    throw new BadInputException(
                        $"Prompt {i} has token id {token}, outside the model's vocabulary of {_config.VocabSize}: use the model's own tokenizer.");
            }
        }
    }

    private void CheckOptions(SamplingOptions options)
    {
        Require(options.Temperature >= 0 && double.IsFinite(options.Temperature), "temperature", options.Temperature, "0 or more");
        Require(options.TopP is > 0 and <= 1, "top_p", options.TopP, "above 0 and at most 1");
        Require(options.TopK >= 0, "top_k", options.TopK, "0 (off) or more");
        Require(options.MinP is >= 0 and <= 1, "min_p", options.MinP, "between 0 and 1");
        Require(
            options.RepetitionPenalty > 0 && double.IsFinite(options.RepetitionPenalty), "repetition_penalty", options.RepetitionPenalty, "above 0");
        Require(options.MaxNewTokens >= 1, "max_new_tokens", options.MaxNewTokens, "1 or more");
        Require(options.MinNewTokens >= 0, "min_new_tokens", options.MinNewTokens, "0 or more");
        foreach (var id in options.StopIds)
            Require((uint)id < (uint)_config.VocabSize, "stop_ids", id, $"an id below the model's vocabulary of {_config.VocabSize}");
    }

    private static void Require(bool condition, string name, double value, string range)
    {
        if (!condition)
            throw new BadInputException(FormattableString.Invariant($"{name} is {value}: it must be {range}."));
    }
}

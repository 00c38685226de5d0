namespace LlmRL.Rollouts;

/// <summary>
/// Samples completions from the very weights that training updates. A completion depends on the weights, its prompt, the options and its key alone: not on the number of
/// slots, the other prompts, or the order in which slots are refilled. One <see cref="Generate"/> at a time; the weights must not change while it runs.
/// </summary>
public interface IRolloutEngine : IDisposable
{
    /// <summary>Most samples decoded at once.</summary>
    int MaxSlots { get; }

    /// <summary>Samples <paramref name="samplesPerPrompt"/> completions of every prompt.</summary>
    /// <param name="prompts">Token ids; none empty, and room for <see cref="SamplingOptions.MaxNewTokens"/> after each.</param>
    /// <param name="samplesPerPrompt">G ≥ 1.</param>
    /// <param name="options">How tokens are sampled.</param>
    /// <param name="key">What the randomness is keyed by.</param>
    /// <param name="onFinished">Called on this thread as completions finish, in the order in which they do; keep it short.</param>
    /// <param name="cancellation">Stops between two tokens, or a few tokens later where they are sampled on a device.</param>
    /// <param name="promptKeys">Keys to use for the prompts in place of their index, so that a prompt's completions do not depend on its place.</param>
    /// <returns>The completions in the order (prompt, sample).</returns>
    /// <exception cref="BadInputException">A prompt or an option is out of range.</exception>
    /// <exception cref="NonFiniteException">A logit is not finite.</exception>
    /// <exception cref="InvalidOperationException">Another call is running.</exception>
    IReadOnlyList<Completion> Generate(
        IReadOnlyList<int[]> prompts, int samplesPerPrompt, SamplingOptions options, SampleKey key, Action<Completion>? onFinished = null,
        CancellationToken cancellation = default, IReadOnlyList<ulong>? promptKeys = null);
}

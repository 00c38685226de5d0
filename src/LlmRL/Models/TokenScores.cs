using LlmRL.Models.Kernels;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>
/// Log-probabilities (and entropies) of chosen tokens from hidden states, in chunks of rows, forward and backward, so that the (N, V) logits of a
/// batch never exist at once. The loss sees <see cref="LogProbs"/> and <see cref="Entropies"/> as leaves; <see cref="Backward"/> carries their
/// gradients through softmax and head to the hidden states, from where autograd goes on. Everything behind the logits is float32.
/// </summary>
/// <remarks>
/// With z = hᵀW/τ and p = softmax(z): log p_y = z_y − logsumexp(z), ∂log p_y/∂z = 1_y − p; H = −Σ p log p, ∂H/∂z = −p·(log p + H).
/// </remarks>
public sealed class TokenScores : IDisposable
{
    private const long DefaultChunkElements = 1 << 24;
    private readonly Tensor hidden, targets;
    private readonly Transformer model;
    private readonly double temperature;
    private readonly long chunkElements;
    private Tensor? kept;
    private FusedHead? fused;

    private TokenScores(Transformer model, Tensor hidden, Tensor targets, double temperature, long chunkElements) =>
        (this.model, this.hidden, this.targets, this.temperature, this.chunkElements) = (model, hidden, targets, temperature, chunkElements);

    /// <summary>log π(y_n | prefix_n) in nats, (N): a leaf whose gradient the loss fills.</summary>
    public Tensor LogProbs { get; private set; } = null!;

    /// <summary>Entropy of the whole next-token distribution in nats, (N): a leaf too. Null unless asked for.</summary>
    public Tensor? Entropies { get; private set; }

    /// <summary>Fraction of targets that are the most probable token; meaningful only when asked for.</summary>
    public double Accuracy { get; private set; }

    /// <summary>Runs the head forward.</summary>
    /// <param name="model">A language model.</param>
    /// <param name="hidden">Hidden states of the positions that predict the targets, (N, D), detached from autograd.</param>
    /// <param name="targets">The tokens that were chosen, (N), int64.</param>
    /// <param name="temperature">τ: logits are divided by it.</param>
    /// <param name="entropy">Whether entropies are computed.</param>
    /// <param name="trainable">Whether <see cref="Backward"/> will be called.</param>
    /// <param name="accuracy">Whether <see cref="Accuracy"/> is computed.</param>
    public static TokenScores Compute(Transformer model, Tensor hidden, Tensor targets, double temperature, bool entropy, bool trainable, bool accuracy = false) =>
        Compute(model, hidden, targets, temperature, entropy, trainable, accuracy, DefaultChunkElements);

    /// <summary>The same with a bound on the logits that exist at once.</summary>
    internal static TokenScores Compute(
        Transformer model, Tensor hidden, Tensor targets, double temperature, bool entropy, bool trainable, bool accuracy, long chunkElements)
    {
        var scores = new TokenScores(model, hidden, targets, temperature, chunkElements);
        using (no_grad())
        {
            if (model.UsesKernels)
                scores.ForwardFused(entropy, trainable);
            else
                scores.Forward(entropy, trainable, accuracy);
        }

        if (trainable)
        {
            scores.LogProbs.requires_grad_();
            scores.Entropies?.requires_grad_();
        }

        return scores;
    }

    /// <summary>
    /// Turns the gradients that a loss left on <see cref="LogProbs"/> and <see cref="Entropies"/> into the gradient of the hidden states, (N, D), and
    /// adds the head's own to its gradient buffer.
    /// </summary>
    public Tensor Backward()
    {
        using var guard = no_grad();
        if (fused is not null)
            return fused.Backward(LogProbs.grad, Entropies?.grad);
        using var scope = NewDisposeScope();
        var head = model.Weight(model.HeadName);
        var headGradient = model.Parameters.Trainable ? model.Parameters.Gradient(model.HeadName) : null;
        var gradients = new List<Tensor>();
        foreach (var (start, count) in Chunks())
        {
            using var chunkScope = NewDisposeScope();
            var logSoftmax = kept ?? LogSoftmax(start, count);
            var logits = LogitGradient(logSoftmax, start, count).to_type(head.dtype);
            gradients.Add(logits.matmul(head).MoveToOuterDisposeScope());
            if (headGradient is null)
                continue;
            headGradient.add_(logits.t().matmul(hidden.narrow(0, start, count)));
            if (model.Parameters.Find(Transformer.HeadBiasName) is not null)
                model.Parameters.Gradient(Transformer.HeadBiasName).add_(logits.sum(0L, type: ScalarType.Float32));
        }

        return cat(gradients).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        LogProbs?.Dispose();
        Entropies?.Dispose();
        kept?.Dispose();
        fused?.Dispose();
    }

    private void ForwardFused(bool entropy, bool trainable)
    {
        fused = new FusedHead(model, hidden, targets, temperature, entropy, chunkElements);
        (LogProbs, Entropies) = (fused.LogProbs, fused.Entropies);
        Accuracy = (double)fused.Hits / Math.Max(1, targets.size(0));
        if (trainable)
            return;
        fused.Dispose();
        fused = null;
    }

    private void Forward(bool entropy, bool trainable, bool accuracy)
    {
        using var scope = NewDisposeScope();
        var logProbs = new List<Tensor>();
        var entropies = new List<Tensor>();
        foreach (var (start, count) in Chunks())
        {
            var all = LogSoftmax(start, count);
            logProbs.Add(all.gather(1, targets.narrow(0, start, count).unsqueeze(1)).squeeze(1));
            if (entropy)
                entropies.Add(EntropyOf(all));
            if (accuracy)
                Accuracy += all.argmax(1).eq(targets.narrow(0, start, count)).to_type(ScalarType.Float32).sum().item<float>() / targets.size(0);
            // With a single chunk the backward pass reuses it instead of multiplying by the head again.
            if (trainable && count == hidden.size(0))
                kept = all.DetachFromDisposeScope();
        }

        LogProbs = cat(logProbs).DetachFromDisposeScope();
        Entropies = entropy ? cat(entropies).DetachFromDisposeScope() : null;
    }

    private static Tensor EntropyOf(Tensor logSoftmax) => -(logSoftmax.exp() * logSoftmax).sum(-1L);

    private Tensor LogSoftmax(long start, long count)
    {
        var logits = model.Logits(hidden.narrow(0, start, count));
        return (temperature == 1 ? logits : logits / temperature).log_softmax(-1);
    }

    private Tensor LogitGradient(Tensor logSoftmax, long start, long count)
    {
        var probabilities = logSoftmax.exp();
        var result = zeros_like(logSoftmax);
        if (LogProbs.grad is { } logProbGradient)
        {
            var column = logProbGradient.narrow(0, start, count).unsqueeze(1);
            result = probabilities * -column;
            result.scatter_add_(1, targets.narrow(0, start, count).unsqueeze(1), column);
        }

        if (Entropies?.grad is { } entropyGradient)
        {
            var column = entropyGradient.narrow(0, start, count).unsqueeze(1);
            result = result - probabilities * (logSoftmax + EntropyOf(logSoftmax).unsqueeze(1)) * column;
        }

        return temperature == 1 ? result : result / temperature;
    }

    private IEnumerable<(long Start, long Count)> Chunks()
    {
        var rows = Math.Max(1, chunkElements / model.Config.VocabSize);
        for (var start = 0L; start < hidden.size(0); start += rows)
            yield return (start, Math.Min(rows, hidden.size(0) - start));
    }
}

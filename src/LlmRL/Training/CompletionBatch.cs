using LlmRL.Algorithms;
using LlmRL.Losses;
using LlmRL.Models;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>
/// The sequences of some rows, packed for one forward pass: the first sequence of every row, then the second of every row, so that chosen and rejected
/// are halves. Scores the tokens behind the prompts, those that are learned.
/// </summary>
public sealed class CompletionBatch : IDisposable
{
    private readonly TokenBatch tokens;
    private readonly RowSelection rows;
    private readonly Tensor targets, cells;
    private Tensor hidden = null!;
    private TokenScores scores = null!;

    /// <summary>Packs rows.</summary>
    /// <param name="examples">Rows of equally many sequences.</param>
    /// <param name="device">Where the tensors go.</param>
    public CompletionBatch(IReadOnlyList<EncodedExample> examples, Device device)
    {
        var sequences = Enumerable.Range(0, examples[0].Sequences.Length)
            .SelectMany(part => examples.Select(example => (Row: example, Part: part))).ToArray();
        // The last token predicts nothing, so the model does not read it.
        tokens = new TokenBatch([.. sequences.Select(sequence => sequence.Row.Sequences[sequence.Part][..^1])], device, [.. sequences.Select((_, b) => b % examples.Count)]);
        var width = sequences.Max(sequence => sequence.Row.Sequences[sequence.Part].Length - sequence.Row.PromptLength);
        var (rowOf, targetOf) = (new List<long>(), new List<long>());
        var (cellOf, mask) = (new long[sequences.Length * width], new float[sequences.Length * width]);
        for (var b = 0; b < sequences.Length; b++)
        {
            var (row, part) = sequences[b];
            var (ids, prompt) = (row.Sequences[part], row.PromptLength);
            for (var t = prompt; t < ids.Length; t++)
            {
                if (!row.Learns(part, t))
                    continue;
                cellOf[b * width + t - prompt] = rowOf.Count;
                mask[b * width + t - prompt] = 1;
                rowOf.Add(tokens.Row(b, t - 1));
                targetOf.Add(ids[t]);
            }
        }

        Count = rowOf.Count;
        rows = new RowSelection(tokens, rowOf);
        targets = tensor(targetOf.ToArray()).to(device);
        cells = tensor(cellOf).to(device);
        Mask = new ResponseMask(tensor(mask, [sequences.Length, width]).to(device));
    }

    /// <summary>N: completion tokens of all sequences.</summary>
    public int Count { get; }

    /// <summary>Which cells of the padded (S, T) form are completion tokens, S sequences.</summary>
    public ResponseMask Mask { get; }

    /// <summary>log π of the completion tokens, (N), sequence after sequence: a leaf whose gradient the loss fills.</summary>
    public Tensor LogProbs => scores.LogProbs;

    /// <summary>Entropy of the policy at each of them in nats, (N), or null.</summary>
    public Tensor? Entropies => scores.Entropies;

    /// <summary>Fraction of the completion tokens that are the most probable one.</summary>
    public double Accuracy => scores.Accuracy;

    /// <summary>Runs a model forward.</summary>
    /// <param name="model">A language model.</param>
    /// <param name="train">Whether <see cref="Backward"/> will be called.</param>
    /// <param name="entropy">Whether <see cref="Entropies"/> are computed.</param>
    /// <param name="accuracy">Whether <see cref="Accuracy"/> is computed.</param>
    public void Forward(Transformer model, bool train, bool entropy = false, bool accuracy = false)
    {
        hidden = model.Hidden(tokens, rows);
        scores = TokenScores.Compute(model, hidden.detach(), targets, 1, entropy, train, accuracy);
    }

    /// <summary>log π(completion | prompt) = Σ_t log π(y_t | prompt, y_&lt;t) of each sequence in nats, (S).</summary>
    public Tensor SequenceLogProbs() => Mask.SumPerSequence(LogProbs.index_select(0, cells).view(Mask.Value.shape));

    /// <summary>Call after the loss's <c>backward()</c>: continues through the head and the transformer.</summary>
    public void Backward()
    {
        using var gradient = scores.Backward();
        hidden.backward([gradient]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        rows.Dispose();
        tokens.Dispose();
        scores?.Dispose();
    }
}

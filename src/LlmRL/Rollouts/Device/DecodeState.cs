using LlmRL.Models;
using static TorchSharp.torch;
using Location = TorchSharp.torch.Device;

namespace LlmRL.Rollouts.Device;

/// <summary>How large a <see cref="DecodeState"/> is.</summary>
/// <param name="Slots">S: samples decoded at once.</param>
/// <param name="Length">L: positions of a sequence, prompt and completion.</param>
/// <param name="NewTokens">M: tokens of a completion.</param>
internal readonly record struct DecodeShape(int Slots, int Length, int NewTokens)
{
    /// <summary>Whether sequences and completions of so many tokens fit.</summary>
    public bool Holds(int length, int newTokens) => Length >= length && NewTokens >= newTokens;
}

/// <summary>
/// Everything that a decoding step reads and writes besides weights, on the device, in tensors that stay where they are: the key/value cache, and of each slot its last
/// token, its position, how far it is, and what it sampled.
/// </summary>
internal sealed class DecodeState : IDisposable
{
    /// <summary>Tokens of a block of the vocabulary: probabilities are summed block by block, as <see cref="Sampler"/> does.</summary>
    public const int Block = 256;

    /// <summary>Steps between two looks of the host, for which random numbers are uploaded at once.</summary>
    public const int Steps = 8;

    /// <summary>Rows of <see cref="Slots"/>, in this order.</summary>
    public const int TokenRow = 0, PositionRow = 1, LengthRow = 2, ActiveRow = 3, FailedRow = 4, Rows = 5;

    private readonly List<Tensor> owned = [];

    /// <summary>Reserves the tensors: no slot is active.</summary>
    public DecodeState(ModelConfig config, DecodeShape shape, ScalarType type, Location device, bool marksSeen)
    {
        Shape = shape;
        using var scope = NewDisposeScope();
        try
        {
            long[] cache = [shape.Slots + 1, config.NumKeyValueHeads, shape.Length, config.HeadDim];
            Keys = [.. Enumerable.Range(0, config.NumLayers).Select(_ => Own(zeros(cache, dtype: type, device: device)))];
            Values = [.. Enumerable.Range(0, config.NumLayers).Select(_ => Own(zeros(cache, dtype: type, device: device)))];
            Slots = Own(zeros([Rows, shape.Slots], dtype: ScalarType.Int64, device: device));
            Tokens = Own(zeros([shape.Slots, shape.NewTokens + 1], dtype: ScalarType.Int64, device: device));
            LogProbs = Own(zeros([shape.Slots, shape.NewTokens + 1], dtype: ScalarType.Float32, device: device));
            Uniforms = Own(zeros([shape.Slots, Steps], dtype: ScalarType.Float64, device: device));
            Step = Own(zeros([1], dtype: ScalarType.Int64, device: device));
            Columns = Own(arange(Math.Max(shape.Length, Math.Max(Block, config.VocabSize)), dtype: ScalarType.Int64, device: device));
            Logits = Own(full([shape.Slots, (config.VocabSize + Block - 1) / Block * Block], double.NegativeInfinity, dtype: ScalarType.Float32, device: device));
            Stops = Own(zeros([config.VocabSize], dtype: ScalarType.Int64, device: device));
            Seen = marksSeen ? Own(zeros([shape.Slots, config.VocabSize], dtype: ScalarType.Bool, device: device)) : null;
        }
        catch
        {
            // Memory did not suffice for all.
            Dispose();
            throw;
        }
    }

    /// <summary>Its size.</summary>
    public DecodeShape Shape { get; }

    /// <summary>Keys of each layer, rotated, (S + 1, K, L, E). The last row keeps a prompt that not all samples have started from.</summary>
    public Tensor[] Keys { get; }

    /// <summary>Values likewise.</summary>
    public Tensor[] Values { get; }

    /// <summary>
    /// (5, S), int64: the token to be read next and the position that it has; how many tokens were sampled; 1 while the slot samples, 0 after; the number of the token
    /// whose logits were not finite, −1 while there is none.
    /// </summary>
    public Tensor Slots { get; }

    /// <summary>Sampled tokens (S, M + 1), int64; what idle slots sample goes to the last column.</summary>
    public Tensor Tokens { get; }

    /// <summary>Their log-probabilities (S, M + 1), nats.</summary>
    public Tensor LogProbs { get; }

    /// <summary>Uniform numbers of the coming steps, (S, <see cref="Steps"/>), float64.</summary>
    public Tensor Uniforms { get; }

    /// <summary>Which of them is next, (1).</summary>
    public Tensor Step { get; }

    /// <summary>0, 1, 2, …</summary>
    public Tensor Columns { get; }

    /// <summary>Logits (S, V and as many −∞ as fill the last block), float32.</summary>
    public Tensor Logits { get; }

    /// <summary>1 for the ids that end a completion, (V).</summary>
    public Tensor Stops { get; }

    /// <summary>Which ids a slot's prompt and completion hold, (S, V); null where nobody asks.</summary>
    public Tensor? Seen { get; }

    /// <summary>Bytes that a slot costs, with what a step makes of its logits on the way.</summary>
    public static long BytesPerSlot(ModelConfig config, int length, SamplingOptions options, int elementSize)
    {
        var cache = 2L * config.NumLayers * config.NumKeyValueHeads * config.HeadDim * length * elementSize;
        // Logits as they come, as float32, and their exponentials; sorted copies with their indices; marks and a changed copy.
        var perToken = 4L * 4 + (DeviceSampler.Truncates(options) ? 48 : 0) + (options.RepetitionPenalty != 1 ? 9 : 0);
        return cache + perToken * config.VocabSize;
    }

    /// <inheritdoc/>
    public void Dispose() => owned.ForEach(tensor => tensor.Dispose());

    private Tensor Own(Tensor tensor)
    {
        owned.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }
}

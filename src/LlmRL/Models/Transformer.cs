using LlmRL.Models.Kernels;
using LlmRL.Models.Lora;
using LlmRL.Models.Operators;
using LlmRL.Native;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.Models;

/// <summary>
/// A decoder-only transformer (Vaswani et al. 2017, pre-norm as in Radford et al. 2019 and Touvron et al. 2023), driven by a <see cref="ModelConfig"/>:
/// x ← x + attention(norm(x)); x ← x + mlp(norm(x)), or both at once, over every block, then a final norm. Its head is either a language model's (V rows, applied by
/// <see cref="TokenScores"/> only where it counts) or a scalar one (reward, value).
/// </summary>
public sealed class Transformer : IDisposable
{
    private readonly LayerNames[] layers;
    private readonly RotaryTables? rotary;
    private FusedTransformer? fused;
    private OperatorTransformer? operators;
    private LoraKernels? loraKernels;
    private bool adaptersOff;

    /// <summary>Reserves the weights of an architecture, all zero.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="scalarHead">Whether the head gives one score per position instead of logits.</param>
    /// <param name="trainable">Whether gradients are kept.</param>
    /// <param name="device">Where it lives; the CPU by default.</param>
    /// <param name="dtype">What passes read and compute in: float32, or bfloat16 with norms, softmax and losses in float32; see <see cref="FlatParameters"/>.</param>
    /// <param name="masters">Whether a frozen model of bfloat16 has float32 values too: it needs them to be sampled from on the CPU, or to be changed.</param>
    public Transformer(
        ModelConfig config, bool scalarHead = false, bool trainable = true, Device? device = null, ScalarType dtype = ScalarType.Float32, bool masters = true)
    {
        Config = config;
        Device = device ?? CPU;
        HasScalarHead = scalarHead;
        Parameters = new FlatParameters(ParameterLayout.Of(config, scalarHead), Device, trainable, dtype, masters);
        layers = [.. Enumerable.Range(0, config.NumLayers).Select(layer => new LayerNames(layer))];
        rotary = config.Positions == PositionKind.Rotary ? new RotaryTables(config, Device) : null;
    }

    /// <summary>The architecture.</summary>
    public ModelConfig Config { get; }

    /// <summary>Where it lives.</summary>
    public Device Device { get; }

    /// <summary>Whether the head gives one score per position.</summary>
    public bool HasScalarHead { get; }

    /// <summary>All weights and gradients.</summary>
    public FlatParameters Parameters { get; }

    /// <summary>Low-rank adapters, which are trained in place of <see cref="Parameters"/>; null where there are none.</summary>
    public LoraAdapters? Adapters { get; private set; }

    /// <summary>What training changes: the adapters where there are any.</summary>
    public FlatParameters TrainedParameters => Adapters?.Parameters ?? Parameters;

    /// <summary>Whether a forward pass may be followed by a backward pass.</summary>
    public bool IsTrainable => (ActiveAdapters?.Parameters ?? Parameters).Trainable;

    /// <summary>Added to every scalar score: shifts a reward model's scores so that demonstrations average 0. Saved beside the weights.</summary>
    public double ScoreShift { get; set; }

    /// <summary>What passes read and compute in.</summary>
    public ScalarType DType => Parameters.DType;

    /// <summary>
    /// Whether a forward pass that a backward pass follows keeps each layer's input alone, and the backward pass computes the layer again (Chen et al. 2016,
    /// arXiv 1604.06174): memory for one layer's activations instead of all, for a third more work. Gradients are the same.
    /// </summary>
    public bool GradientCheckpointing { get; set; }

    /// <summary>
    /// Whether <see cref="Hidden(TokenBatch)"/> and <see cref="TokenScores"/> run the fused kernels of the CPU, which read float32. Otherwise they compose ATen operators: on other
    /// devices, in bfloat16, and as the kernels' reference.
    /// </summary>
    internal bool UsesKernels { get => field && Device.type == DeviceType.CPU && DType == ScalarType.Float32 && FusedTransformer.IsSupported; set; } = CpuKernels.AreWanted;

    /// <summary>Whether operators use libtorch's fused attention where it has one.</summary>
    internal bool UsesFusedAttention { get => Operators.Attention.UsesFused; set => Operators.Attention.UsesFused = value; }

    /// <summary>Whether sequences that begin alike share rows; otherwise <see cref="Hidden(TokenBatch)"/> takes such a batch apart. See <see cref="TokenBatch"/>.</summary>
    internal bool SharesPrefixes => UsesKernels && FusedTransformer.Shares(Config, Lora());

    /// <summary>The language model's head (V, D): the token embedding itself where the two are tied.</summary>
    public string HeadName => Parameters.Find("head") is null ? "embed" : "head";

    /// <summary>Name of the head's bias (V), which few architectures have.</summary>
    public const string HeadBiasName = "head_bias";

    private LoraAdapters? ActiveAdapters => adaptersOff ? null : Adapters;

    /// <summary>Gives the model adapters, which it owns from then on. Its own weights must be frozen.</summary>
    public void Attach(LoraAdapters adapters)
    {
        if (Parameters.Trainable || Adapters is not null)
            throw new InvalidOperationException(Adapters is null ? "a model with adapters keeps no gradients of its own" : "the model has adapters already");
        Adapters = adapters;
    }

    /// <summary>Switches the adapters off until the result is disposed of: the model is then the one that training started from.</summary>
    public IDisposable WithoutAdapters() => new AdaptersOff(this);

    /// <summary>A weight as the operators read it, in training and in decoding on a device.</summary>
    internal Tensor Weight(string name) => Parameters.Weight(name);

    /// <summary>The same, or null where the architecture has no weight of this name.</summary>
    internal Tensor? FindWeight(string name) => Parameters.Find(name) is null ? null : Weight(name);

    /// <summary>The final hidden states, after the last norm.</summary>
    /// <param name="batch">N tokens of B sequences.</param>
    /// <returns>(N, D) of type <see cref="DType"/>, with the autograd graph when the model is trainable and gradients are enabled.</returns>
    public Tensor Hidden(TokenBatch batch) => Hidden(batch, read: null);

    /// <summary>The final hidden states of some rows, (R, D): with the CPU's kernels, what only the other rows would need is left out.</summary>
    /// <param name="batch">N tokens of B sequences.</param>
    /// <param name="rows">R rows of the batch.</param>
    public Tensor Hidden(TokenBatch batch, RowSelection rows) =>
        rows.Distinct is { } distinct && UsesKernels && FusedTransformer.Selects(Config, Lora()) && !TakesApart(batch)
            ? Hidden(batch, distinct).index_select(0, rows.Places)
            : Hidden(batch).index_select(0, rows.Rows);

    /// <summary>The same in ATen operators, handing on what attention reads of the tokens.</summary>
    /// <param name="batch">N tokens of B sequences, none of them sharing rows.</param>
    /// <param name="keysAndValues">Is given each layer's keys and values as they are made; null: nobody is.</param>
    internal Tensor OperatorHidden(TokenBatch batch, KeyValueSink? keysAndValues) => Operators.Hidden(batch, ActiveAdapters, keysAndValues);

    /// <summary>The scalar head at every position: hidden · wᵀ + shift, (N).</summary>
    public Tensor Scores(Tensor hidden)
    {
        if (!HasScalarHead)
            throw new InvalidOperationException("this model has a language model's head");
        using var scope = NewDisposeScope();
        // In float32: a score of eight bits would be too coarse for a reward.
        var head = (ActiveAdapters?.Parameters ?? Parameters)[ParameterLayout.ScoreName].to_type(ScalarType.Float32);
        return (hidden.to_type(ScalarType.Float32).matmul(head.t()).squeeze(-1) + ScoreShift).MoveToOuterDisposeScope();
    }

    /// <summary>Logits of every position, (N, V), float32. For tests and small inputs: training and rollouts use <see cref="TokenScores"/> and the decoding path.</summary>
    public Tensor Logits(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        return F.linear(hidden, Weight(HeadName), FindWeight(HeadBiasName)).to_type(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>The weights as the CPU's decoding path reads them: pointers into <see cref="Parameters"/>, valid as long as this model lives.</summary>
    public DecoderWeights DecoderWeights()
    {
        if (Device.type != DeviceType.CPU || Parameters.Values.dtype != ScalarType.Float32)
            throw new InvalidOperationException("the decoding path on the CPU needs float32 weights on the CPU");
        return Pointers(Parameters.Find);
    }

    /// <summary>The same with other tensors in place of some weights.</summary>
    internal DecoderWeights DecoderWeights(IReadOnlyDictionary<string, Tensor> replaced) => Pointers(name => replaced.GetValueOrDefault(name) ?? Parameters.Find(name));

    /// <summary>Pointers to the gradients, laid out as the weights.</summary>
    private DecoderWeights DecoderGradients() => Pointers(name => Parameters.Find(name) is null ? null : Parameters.Gradient(name));

    private unsafe DecoderWeights Pointers(Func<string, Tensor?> find)
    {
        float* At(string name) => find(name) is { } parameter ? (float*)NativeTorch.DataPointer(parameter) : null;
        var blocks = new DecoderLayer[layers.Length];
        for (var i = 0; i < blocks.Length; i++)
        {
            var names = layers[i];
            blocks[i] = new DecoderLayer
            {
                AttentionNorm = At(names.AttentionNorm),
                AttentionNormBias = At(names.AttentionNormBias),
                Qkv = At(names.Qkv),
                QkvBias = At(names.QkvBias),
                QueryNorm = At(names.QueryNorm),
                KeyNorm = At(names.KeyNorm),
                Output = At(names.Output),
                OutputBias = At(names.OutputBias),
                MlpNorm = At(names.MlpNorm),
                MlpNormBias = At(names.MlpNormBias),
                Up = At(names.Up),
                UpBias = At(names.UpBias),
                Down = At(names.Down),
                DownBias = At(names.DownBias),
            };
        }

        return new DecoderWeights
        {
            Config = Config,
            TokenEmbedding = At("embed"),
            PositionEmbedding = At("positions"),
            Layers = blocks,
            FinalNorm = At("norm"),
            FinalNormBias = At("norm_bias"),
            Head = At(HeadName),
            HeadBias = At(HeadBiasName),
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        operators?.Dispose();
        rotary?.Dispose();
        Adapters?.Dispose();
        Parameters.Dispose();
    }

    private OperatorTransformer Operators => operators ??= new OperatorTransformer(this, layers, rotary);

    private LoraKernels? Lora() => ActiveAdapters is { } adapters ? loraKernels ??= new LoraKernels(adapters) : null;

    /// <summary>The final hidden states of all rows, or, of the CPU's kernels alone, of some.</summary>
    private Tensor Hidden(TokenBatch batch, int[]? read)
    {
        if (batch.MaxLength > Config.ContextLength)
            throw new BadInputException($"a sequence of {batch.MaxLength} tokens is longer than the model's {Config.ContextLength} positions; shorten prompts or completions, or raise max_position_embeddings.");
        if (TakesApart(batch))
            return Unshared(batch);
        if (UsesKernels)
            return (fused ??= Fused()).Hidden(batch, Lora(), GradientCheckpointing, read);
        return OperatorHidden(batch, null);
    }

    private bool TakesApart(TokenBatch batch) => batch.HasSharedPrefixes && !SharesPrefixes;

    /// <summary>Hidden states by way of a batch in which every sequence has rows of its own.</summary>
    private Tensor Unshared(TokenBatch batch)
    {
        var (plain, rows) = batch.Unshared();
        using (plain)
        using (rows)
        using (var hidden = Hidden(plain))
            return hidden.index_select(0, rows);
    }

    private FusedTransformer Fused() => new(DecoderWeights(), Parameters.Trainable ? DecoderGradients() : null, Parameters["embed"], rotary);

    private sealed class AdaptersOff : IDisposable
    {
        private readonly Transformer model;
        private readonly bool before;

        public AdaptersOff(Transformer model)
        {
            (this.model, before) = (model, model.adaptersOff);
            model.adaptersOff = true;
        }

        public void Dispose() => model.adaptersOff = before;
    }
}

using LlmRL.Models.Kernels;
using LlmRL.Models.Lora;
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
    private readonly Dictionary<(int Length, int Window), Tensor> causalMasks = [];
    private readonly RotaryTables? rotary;
    private FusedTransformer? fused;
    private LoraKernels? loraKernels;
    private bool adaptersOff;

    /// <summary>Reserves the weights of an architecture, all zero.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="scalarHead">Whether the head gives one score per position instead of logits.</param>
    /// <param name="trainable">Whether gradients are kept.</param>
    /// <param name="device">Where it lives; the CPU by default.</param>
    public Transformer(ModelConfig config, bool scalarHead = false, bool trainable = true, Device? device = null)
    {
        Config = config;
        Device = device ?? CPU;
        HasScalarHead = scalarHead;
        Parameters = new FlatParameters(ParameterLayout.Of(config, scalarHead), Device, trainable);
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

    /// <summary>
    /// Whether <see cref="Hidden"/> and <see cref="TokenScores"/> run the fused kernels of the CPU. Otherwise they compose ATen operators: on other devices, and as
    /// the kernels' reference.
    /// </summary>
    internal bool UsesKernels { get => field && Device.type == DeviceType.CPU && FusedTransformer.IsSupported; set; } = true;

    /// <summary>Whether sequences that begin alike share rows; otherwise <see cref="Hidden"/> takes such a batch apart. See <see cref="TokenBatch"/>.</summary>
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
    internal Tensor Weight(string name) => Parameters[name];

    /// <summary>The same, or null where the architecture has no weight of this name.</summary>
    internal Tensor? FindWeight(string name) => Parameters.Find(name) is null ? null : Weight(name);

    /// <summary>The final hidden states, after the last norm.</summary>
    /// <param name="batch">N tokens of B sequences.</param>
    /// <returns>(N, D), with the autograd graph when the model is trainable and gradients are enabled.</returns>
    public Tensor Hidden(TokenBatch batch)
    {
        if (batch.MaxLength > Config.ContextLength)
            throw new BadInputException($"a sequence of {batch.MaxLength} tokens is longer than the model's {Config.ContextLength} positions; shorten prompts or completions, or raise max_position_embeddings.");
        if (batch.HasSharedPrefixes && !SharesPrefixes)
            return Unshared(batch);
        if (UsesKernels)
            return (fused ??= Fused()).Hidden(batch, Lora());
        return OperatorHidden(batch, null);
    }

    /// <summary>The same in ATen operators, handing on what attention reads of the tokens.</summary>
    /// <param name="batch">N tokens of B sequences, none of them sharing rows.</param>
    /// <param name="keysAndValues">Is given each layer's keys and values as they are made; null: nobody is.</param>
    internal Tensor OperatorHidden(TokenBatch batch, KeyValueSink? keysAndValues)
    {
        using var scope = NewDisposeScope();
        var x = Functional.embedding(Weight("embed"), batch.Ids);
        if (Config.Positions == PositionKind.Learned)
            x = x + Functional.embedding(Weight("positions"), batch.Positions);
        var attention = new AttentionInputs(this, batch, keysAndValues);
        var read = new LoraInputs(ActiveAdapters, batch);
        for (var layer = 0; layer < layers.Length; layer++)
        {
            var names = layers[layer];
            using var layerScope = NewDisposeScope();
            Tensor Project(Tensor input, string weight, string bias, LoraPlace place) => read.Adapt(weight, LoraPass.Number(layer, place), input, Linear(input, weight, bias));
            var mixed = attention.Attend(Project(Norm(x, names.AttentionNorm, names.AttentionNormBias), names.Qkv, names.QkvBias, LoraPlace.Qkv), layer);
            var middle = x + Project(mixed, names.Output, names.OutputBias, LoraPlace.Output);
            var mlpInput = Norm(Config.ParallelResidual ? x : middle, names.MlpNorm, names.MlpNormBias);
            x = middle + Project(BlockOperators.Gate(Config.Mlp, Project(mlpInput, names.Up, names.UpBias, LoraPlace.Up)), names.Down, names.DownBias, LoraPlace.Down);
            x.MoveToOuterDisposeScope();
        }

        return (Config.FinalNorm ? Norm(x, "norm", "norm_bias") : x).MoveToOuterDisposeScope();
    }

    /// <summary>The scalar head at every position: hidden · wᵀ + shift, (N).</summary>
    public Tensor Scores(Tensor hidden)
    {
        if (!HasScalarHead)
            throw new InvalidOperationException("this model has a language model's head");
        using var scope = NewDisposeScope();
        return (hidden.matmul((ActiveAdapters?.Parameters ?? Parameters)[ParameterLayout.ScoreName].t()).squeeze(-1) + ScoreShift).MoveToOuterDisposeScope();
    }

    /// <summary>Logits of every position, (N, V). For tests and small inputs: training and rollouts use <see cref="TokenScores"/> and the decoding path.</summary>
    public Tensor Logits(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        return Linear(hidden, HeadName, HeadBiasName).MoveToOuterDisposeScope();
    }

    /// <summary>The weights as the CPU's decoding path reads them: pointers into <see cref="Parameters"/>, valid as long as this model lives.</summary>
    public DecoderWeights DecoderWeights()
    {
        if (Device.type != DeviceType.CPU)
            throw new InvalidOperationException("the decoding path on the CPU needs weights on the CPU");
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
        foreach (var mask in causalMasks.Values)
            mask.Dispose();
        rotary?.Dispose();
        Adapters?.Dispose();
        Parameters.Dispose();
    }

    private LoraKernels? Lora() => ActiveAdapters is { } adapters ? loraKernels ??= new LoraKernels(adapters) : null;

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

    private Tensor Linear(Tensor x, string weight, string bias) => F.linear(x, Weight(weight), FindWeight(bias));

    private Tensor Norm(Tensor x, string weight, string bias) => BlockOperators.Norm(Config, x, Weight(weight), FindWeight(bias));

    private Tensor RmsNorm(Tensor x, string weight) => BlockOperators.RmsNorm(x, Weight(weight), Config.NormEpsilon);

    /// <summary>0 on the diagonal and the window − 1 entries left of it, −∞ elsewhere: (T, T).</summary>
    private Tensor CausalMask(int length, int window)
    {
        window = Math.Min(window, length);
        if (causalMasks.TryGetValue((length, window), out var mask))
            return mask;
        using var scope = NewDisposeScope();
        var nothing = full([length, length], double.NegativeInfinity, dtype: ScalarType.Float32, device: Device);
        mask = window < length ? nothing.triu(1) + nothing.tril(-window) : nothing.triu(1);
        return causalMasks[(length, window)] = mask.DetachFromDisposeScope();
    }

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

    /// <summary>What attention needs of a batch, made once and used by every layer.</summary>
    private sealed class AttentionInputs
    {
        private readonly Transformer model;
        private readonly TokenBatch batch;
        private readonly KeyValueSink? sink;
        private readonly Tensor? cos, sin;
        private readonly int heads, groups, width, size, length;

        public AttentionInputs(Transformer model, TokenBatch batch, KeyValueSink? sink)
        {
            (this.model, this.batch, this.sink) = (model, batch, sink);
            (heads, groups, width) = (model.Config.NumHeads, model.Config.NumKeyValueHeads, model.Config.HeadDim);
            (size, length) = (batch.Sequences.Count, batch.MaxLength);
            if (model.rotary?.For(batch) is not { } angles)
                return;
            cos = angles.Cos.index_select(0, angles.Rows).unsqueeze(1);
            sin = angles.Sin.index_select(0, angles.Rows).unsqueeze(1);
        }

        /// <summary>softmax(QKᵀ/√E + causal mask) V per head; (N, (H + 2K)·E) → (N, H·E).</summary>
        public Tensor Attend(Tensor qkv, int layer)
        {
            var split = qkv.view(-1, heads + 2 * groups, width);
            var queryKey = split.narrow(1, 0, heads + groups);
            var names = model.layers[layer];
            if (model.Config.QkNorm)
                queryKey = cat([model.RmsNorm(queryKey.narrow(1, 0, heads), names.QueryNorm), model.RmsNorm(queryKey.narrow(1, heads, groups), names.KeyNorm)], 1);
            if (cos is not null && sin is not null)
                queryKey = BlockOperators.Rotate(queryKey, cos, sin);
            var mask = model.CausalMask(length, model.Config.WindowOf(layer));
            var query = PerHead(queryKey.narrow(1, 0, heads));
            var key = PerHead(queryKey.narrow(1, heads, groups));
            var value = PerHead(split.narrow(1, heads + groups, groups));
            sink?.Invoke(layer, key.view(size, groups, length, width), value.view(size, groups, length, width));
            (key, value) = (Share(key), Share(value));
            var weights = baddbmm(mask.expand(size * heads, length, length), query, key.transpose(1, 2), 1, (float)(1 / Math.Sqrt(width))).softmax(-1);
            var mixed = weights.bmm(value).view(size, heads, length, width).transpose(1, 2).reshape(size * length, heads * width);
            return batch.UnpadIndex is null ? mixed : mixed.index_select(0, batch.UnpadIndex);
        }

        /// <summary>(N, heads, E) → (B·heads, T, E), padded.</summary>
        private Tensor PerHead(Tensor x)
        {
            var padded = batch.PadIndex is null ? x : x.index_select(0, batch.PadIndex);
            var count = x.size(1);
            return padded.reshape(size, length, count, width).transpose(1, 2).reshape(size * count, length, width);
        }

        /// <summary>Repeats each key/value head for the query heads that share it.</summary>
        private Tensor Share(Tensor x) => heads == groups
            ? x
            : x.view(size, groups, 1, length, width).expand(size, groups, heads / groups, length, width).reshape(size * heads, length, width);
    }
}

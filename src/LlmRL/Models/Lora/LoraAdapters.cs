using static TorchSharp.torch;

namespace LlmRL.Models.Lora;

/// <summary>
/// The trained part of a model with low-rank adapters: A and B of every target, y = Wx + s·B·A·x, and a scalar head where the model has one. The model's own
/// weights are never written.
/// </summary>
public sealed class LoraAdapters : IDisposable
{
    private readonly Dictionary<string, LoraLinear> byName;

    /// <summary>Reserves the adapters of a model, all zero.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="options">Rank, scale, targets.</param>
    /// <param name="scalarHead">Whether the model has a scalar head, which is trained whole.</param>
    /// <param name="device">Where they live; the CPU by default.</param>
    /// <param name="dtype">What passes read, as of the model.</param>
    /// <exception cref="BadInputException">A target is none of the model's projections.</exception>
    public LoraAdapters(ModelConfig config, LoraOptions options, bool scalarHead = false, Device? device = null, ScalarType dtype = ScalarType.Float32)
        : this(config, options, LoraLayout.Of(config, options), scalarHead, device ?? CPU, trainable: true, dtype)
    {
    }

    /// <summary>Reserves given adapters.</summary>
    internal LoraAdapters(
        ModelConfig config, LoraOptions options, IReadOnlyList<LoraLinear> linears, bool scalarHead, Device device, bool trainable, ScalarType dtype = ScalarType.Float32)
    {
        (Config, Options, Linears) = (config, options, linears);
        byName = linears.ToDictionary(linear => linear.Name, StringComparer.Ordinal);
        var score = scalarHead ? ParameterLayout.Of(config, scalarHead: true)[^1] : null;
        Parameters = new FlatParameters(LoraLayout.Specs(linears, options.R, score), device, trainable, dtype);
    }

    /// <summary>The model's architecture.</summary>
    public ModelConfig Config { get; }

    /// <summary>Rank, scale, targets.</summary>
    public LoraOptions Options { get; }

    /// <summary>What is trained.</summary>
    public FlatParameters Parameters { get; }

    /// <summary>Whether a scalar head is part of them.</summary>
    public bool HasScalarHead => Parameters.Find(ParameterLayout.ScoreName) is not null;

    /// <summary>How files name the model that they belong to; null where it lies nowhere.</summary>
    public string? BaseName { get; init; }

    /// <summary>The run folder's path of <see cref="BaseName"/> where it is another stage's model; files then name it from where they lie.</summary>
    public string? BaseFolder { get; init; }

    /// <summary>What keys of dropout are made from; set by <see cref="Initialize"/>.</summary>
    internal ulong DropoutSeed { get; private set; }

    /// <summary>Key of the draws of dropout, until it is set anew: what is dropped of a token depends on the key and on its sequence alone.</summary>
    public ulong DropoutKey { get; set; }

    /// <summary>The weights that have adapters.</summary>
    internal IReadOnlyList<LoraLinear> Linears { get; }

    /// <summary>The adapters of one of the model's weights; null where it has none.</summary>
    internal LoraLinear? Find(string weight) => byName.GetValueOrDefault(weight);

    /// <summary>A is drawn, B is 0, so that they change nothing; a scalar head becomes the model's.</summary>
    /// <param name="model">The model's weights.</param>
    /// <param name="seed">Each parameter has its own stream.</param>
    public void Initialize(FlatParameters model, ulong seed)
    {
        Parameters.Initialize(Config, seed);
        DropoutKey = DropoutSeed = CounterRandom.Key(seed, CounterRandom.Hash("dropout"));
        using var guard = no_grad();
        if (HasScalarHead)
            Parameters[ParameterLayout.ScoreName].copy_(model[ParameterLayout.ScoreName]);
    }

    /// <summary>A copy that no training changes, on the CPU.</summary>
    internal LoraAdapters Copy()
    {
        var copy = new LoraAdapters(Config, Options, Linears, HasScalarHead, CPU, trainable: false) { BaseName = BaseName, BaseFolder = BaseFolder };
        copy.Parameters.CopyFrom(Parameters);
        return copy;
    }

    /// <summary>W ← W + s·B·A for all targets of a model; its scalar head becomes the trained one.</summary>
    public void MergeInto(FlatParameters model)
    {
        using var guard = no_grad();
        foreach (var linear in Linears)
            AddTo(linear, model[linear.Name]);
        if (HasScalarHead)
            model[ParameterLayout.ScoreName].copy_(Parameters[ParameterLayout.ScoreName]);
    }

    /// <summary>W ← W + s·B·A for the rows that are targets.</summary>
    internal void AddTo(LoraLinear linear, Tensor weight)
    {
        for (var i = 0; i < linear.Blocks.Count; i++)
        {
            using var scope = NewDisposeScope();
            AddTo(linear, i, weight.narrow(0, linear.Blocks[i].FirstRow, linear.Blocks[i].Rows));
        }
    }

    /// <summary>The same for the rows of one target.</summary>
    internal void AddTo(LoraLinear linear, int block, Tensor rows)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (a, b) = Pair(linear, block, name => Parameters[name]);
        rows.add_(b.matmul(a).to(rows.device), Options.Scale);
    }

    /// <summary>Adds s·B·A·x to a layer's output, in tensor operations: on other devices than the CPU, and as the kernels' reference.</summary>
    internal Tensor Apply(LoraLinear linear, Tensor x, Tensor y)
    {
        var columns = new List<Tensor>();
        var done = 0;
        for (var i = 0; i < linear.Blocks.Count; i++)
        {
            var (a, b) = Pair(linear, i, Parameters.Weight);
            Pad(linear.Blocks[i].FirstRow);
            columns.Add(x.matmul(a.t()).matmul(b.t()) * Options.Scale);
            done += linear.Blocks[i].Rows;
        }

        Pad(linear.Outputs);
        return y + cat(columns, 1);

        void Pad(int until)
        {
            if (done < until)
                columns.Add(zeros([x.size(0), until - done], dtype: x.dtype, device: x.device));
            done = until;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();

    /// <summary>A (r, inputs) and B (rows, r) of a target, views.</summary>
    private (Tensor A, Tensor B) Pair(LoraLinear linear, int block, Func<string, Tensor> read) =>
        (read(linear.A).narrow(0, block * Options.R, Options.R), read(linear.B).narrow(0, linear.Blocks[block].FirstAdapterRow, linear.Blocks[block].Rows));
}

namespace LlmRL.Models;

/// <summary>How a parameter starts when nothing is loaded.</summary>
public enum ParameterInit
{
    /// <summary>N(0, initializer_range²).</summary>
    Normal,

    /// <summary>N(0, initializer_range² / (2 · layers)): projections into the residual stream (Radford et al. 2019).</summary>
    ResidualNormal,

    /// <summary>Ones.</summary>
    One,

    /// <summary>Zeros.</summary>
    Zero,

    /// <summary>U(−1/√inputs, 1/√inputs): PyTorch's linear layers (He et al. 2015 with a = √5), and A of a low-rank adapter.</summary>
    KaimingUniform,

    /// <summary>N(0, 1/(D + 1)): the scalar head (Stiennon et al. 2020, arXiv 2009.01325; Huang et al. 2024, arXiv 2403.17031).</summary>
    ScalarHead,
}

/// <summary>In which order a weight file holds the elements of a <see cref="ParameterPart"/>.</summary>
public enum PartOrder
{
    /// <summary>As we do.</summary>
    Same,

    /// <summary>As (inputs, outputs): GPT-2's Conv1D.</summary>
    Transposed,

    /// <summary>Query, key and value of the first head, then those of the second, …: GPT-NeoX's fused projection. We keep all queries, all keys, all values.</summary>
    ByHead,
}

/// <summary>A block of rows of a parameter under its Hugging Face name.</summary>
/// <param name="HuggingFaceName">Name in the weight file.</param>
/// <param name="Shape">Shape of the block in our (outputs, inputs) order.</param>
/// <param name="Order">How the file orders it.</param>
/// <param name="Heads">Number of heads of a part that is ordered <see cref="PartOrder.ByHead"/>.</param>
public sealed record ParameterPart(string HuggingFaceName, long[] Shape, PartOrder Order = PartOrder.Same, int Heads = 1)
{
    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>The shape that the file has.</summary>
    public long[] FileShape => Order == PartOrder.Transposed ? [Shape[1], Shape[0]] : Shape;

    /// <summary>Reorders from the file's order to ours.</summary>
    public void FromFile(ReadOnlySpan<float> source, Span<float> destination)
    {
        if (Order == PartOrder.Transposed)
            Turn(source, destination, (int)Shape[1], (int)Shape[0], 1);
        else if (Order == PartOrder.ByHead)
            Turn(source, destination, Heads, 3, (int)(Elements / (3 * Heads)));
        else
            source.CopyTo(destination);
    }

    /// <summary>Reorders from our order to the file's.</summary>
    public void ToFile(ReadOnlySpan<float> source, Span<float> destination)
    {
        if (Order == PartOrder.Transposed)
            Turn(source, destination, (int)Shape[0], (int)Shape[1], 1);
        else if (Order == PartOrder.ByHead)
            Turn(source, destination, 3, Heads, (int)(Elements / (3 * Heads)));
        else
            source.CopyTo(destination);
    }

    /// <summary>(rows, columns) blocks of some elements each become (columns, rows).</summary>
    private static void Turn(ReadOnlySpan<float> source, Span<float> destination, int rows, int columns, int block)
    {
        for (var r = 0; r < rows; r++)
        {
            for (var c = 0; c < columns; c++)
            {
                if (block == 1)
                    destination[c * rows + r] = source[r * columns + c];
                else
                    source.Slice((r * columns + c) * block, block).CopyTo(destination[((c * rows + r) * block)..]);
            }
        }
    }
}

/// <summary>
/// One parameter of the model. Projections that read the same input are one parameter (query, key, value; gate, up), so that one matrix product
/// serves them; its <see cref="Parts"/> follow one another in memory.
/// </summary>
/// <param name="Name">Our name.</param>
/// <param name="Shape">Its shape, linear layers as (outputs, inputs).</param>
/// <param name="Init">How it starts.</param>
/// <param name="Parts">What it is made of, top to bottom.</param>
public sealed record ParameterSpec(string Name, long[] Shape, ParameterInit Init, IReadOnlyList<ParameterPart> Parts)
{
    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Whether weight decay applies: matrices yes, norms and biases no (the convention of Hugging Face's Trainer).</summary>
    public bool Decays => Shape.Length > 1;
}

/// <summary>The parameters of an architecture in the order in which they lie in the flat buffer.</summary>
public static class ParameterLayout
{
    /// <summary>Name of the scalar head.</summary>
    public const string ScoreName = "score";

    /// <summary>All parameters.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="scalarHead">Whether the output is one score per position instead of logits.</param>
    public static IReadOnlyList<ParameterSpec> Of(ModelConfig config, bool scalarHead)
    {
        var names = HuggingFaceNames.Of(config.ModelType);
        var list = new List<ParameterSpec> { Single("embed", [config.VocabSize, config.HiddenSize], ParameterInit.Normal, names.Embedding) };
        if (config.Positions == PositionKind.Learned)
            list.Add(Single("positions", [config.MaxPositions, config.HiddenSize], ParameterInit.Normal, names.Positions));
        for (var layer = 0; layer < config.NumLayers; layer++)
            AddLayer(list, config, names, layer);
        if (config.FinalNorm)
            AddNorm(list, config, "norm", names.FinalNorm);
        if (scalarHead)
            list.Add(Single(ScoreName, [1, config.HiddenSize], ParameterInit.ScalarHead, "score.weight"));
        else
            AddHead(list, config, names.Head);
        return list;
    }

    private static void AddHead(List<ParameterSpec> list, ModelConfig config, string name)
    {
        if (!config.TieWordEmbeddings)
            list.Add(Single("head", [config.VocabSize, config.HiddenSize], ParameterInit.Normal, name + ".weight"));
        if (config.HeadBias)
            list.Add(Single("head_bias", [config.VocabSize], ParameterInit.Zero, name + ".bias"));
    }

    private static void AddLayer(List<ParameterSpec> list, ModelConfig config, HuggingFaceNames names, int layer)
    {
        var prefix = $"layers.{layer}.";
        var file = $"{names.LayerPrefix}{layer}.";
        long hidden = config.HiddenSize, q = config.NumHeads * config.HeadDim, kv = config.NumKeyValueHeads * config.HeadDim, inner = config.IntermediateSize;
        AddNorm(list, config, prefix + "attention_norm", file + names.AttentionNorm);
        AddLinear(list, prefix + "qkv", names.Qkv.Length == 1 ? [q + 2 * kv] : [q, kv, kv], hidden, ParameterInit.Normal, file, names.Qkv, config.QkvBias, names.QkvOrder, config.NumHeads);
        if (config.QkNorm)
        {
            list.Add(Single(prefix + "query_norm", [config.HeadDim], ParameterInit.One, file + "self_attn.q_norm.weight"));
            list.Add(Single(prefix + "key_norm", [config.HeadDim], ParameterInit.One, file + "self_attn.k_norm.weight"));
        }

        AddLinear(list, prefix + "output", [hidden], q, ParameterInit.ResidualNormal, file, [names.Output], config.OutputBias, names.Order);
        AddNorm(list, config, prefix + "mlp_norm", file + names.MlpNorm);
        AddLinear(list, prefix + "up", [.. names.Up.Select(_ => inner)], hidden, ParameterInit.Normal, file, names.Up, config.MlpBias, names.Order);
        AddLinear(list, prefix + "down", [hidden], inner, ParameterInit.ResidualNormal, file, [names.Down], config.MlpBias, names.Order);
    }

    private static void AddNorm(List<ParameterSpec> list, ModelConfig config, string name, string file)
    {
        list.Add(Single(name, [config.HiddenSize], ParameterInit.One, file + ".weight"));
        if (config.Norm == NormKind.LayerNorm)
            list.Add(Single(name + "_bias", [config.HiddenSize], ParameterInit.Zero, file + ".bias"));
    }

    private static void AddLinear(
        List<ParameterSpec> list, string name, long[] outputs, long inputs, ParameterInit init, string file, string[] modules, bool bias, PartOrder order, int heads = 1)
    {
        list.Add(new ParameterSpec(name, [outputs.Sum(), inputs], init,
            [.. modules.Zip(outputs, (module, rows) => new ParameterPart($"{file}{module}.weight", [rows, inputs], order, heads))]));
        // A bias has one order only, unless its rows are a projection's that goes by head.
        var biasOrder = order == PartOrder.ByHead ? order : PartOrder.Same;
        if (bias)
            list.Add(new ParameterSpec(name + "_bias", [outputs.Sum()], ParameterInit.Zero,
                [.. modules.Zip(outputs, (module, rows) => new ParameterPart($"{file}{module}.bias", [rows], biasOrder, heads))]));
    }

    private static ParameterSpec Single(string name, long[] shape, ParameterInit init, string file) => new(name, shape, init, [new ParameterPart(file, shape)]);

    /// <summary>What Hugging Face calls the modules.</summary>
    private sealed record HuggingFaceNames
    {
        public required string Embedding { get; init; }

        public string Positions { get; init; } = "";

        public required string LayerPrefix { get; init; }

        public required string AttentionNorm { get; init; }

        public required string[] Qkv { get; init; }

        public required string Output { get; init; }

        public required string MlpNorm { get; init; }

        public required string[] Up { get; init; }

        public required string Down { get; init; }

        public required string FinalNorm { get; init; }

        public string Head { get; init; } = "lm_head";

        public PartOrder Order { get; init; }

        public PartOrder QkvOrder { get; init; }

        public static HuggingFaceNames Of(string modelType) => modelType switch
        {
            "gpt2" => Gpt2,
            "gpt_neox" => GptNeox,
            _ => Llama,
        };

        private static readonly HuggingFaceNames Llama = new()
        {
            Embedding = "model.embed_tokens.weight",
            LayerPrefix = "model.layers.",
            AttentionNorm = "input_layernorm",
            Qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
            Output = "self_attn.o_proj",
            MlpNorm = "post_attention_layernorm",
            Up = ["mlp.gate_proj", "mlp.up_proj"],
            Down = "mlp.down_proj",
            FinalNorm = "model.norm",
        };

        private static readonly HuggingFaceNames Gpt2 = new()
        {
            Embedding = "transformer.wte.weight",
            Positions = "transformer.wpe.weight",
            LayerPrefix = "transformer.h.",
            AttentionNorm = "ln_1",
            Qkv = ["attn.c_attn"],
            Output = "attn.c_proj",
            MlpNorm = "ln_2",
            Up = ["mlp.c_fc"],
            Down = "mlp.c_proj",
            FinalNorm = "transformer.ln_f",
            Order = PartOrder.Transposed,
            QkvOrder = PartOrder.Transposed,
        };

        private static readonly HuggingFaceNames GptNeox = new()
        {
            Embedding = "gpt_neox.embed_in.weight",
            LayerPrefix = "gpt_neox.layers.",
            AttentionNorm = "input_layernorm",
            Qkv = ["attention.query_key_value"],
            Output = "attention.dense",
            MlpNorm = "post_attention_layernorm",
            Up = ["mlp.dense_h_to_4h"],
            Down = "mlp.dense_4h_to_h",
            FinalNorm = "gpt_neox.final_layer_norm",
            Head = "embed_out",
            QkvOrder = PartOrder.ByHead,
        };
    }
}

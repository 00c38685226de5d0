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

    /// <summary>N(0, 1/(D + 1)): the scalar head (Stiennon et al. 2020, arXiv 2009.01325; Huang et al. 2024, arXiv 2403.17031).</summary>
    ScalarHead,
}

/// <summary>A block of rows of a parameter under its Hugging Face name.</summary>
/// <param name="HuggingFaceName">Name in the weight file.</param>
/// <param name="Shape">Shape of the block in our (outputs, inputs) order.</param>
/// <param name="Transposed">Whether the file holds it as (inputs, outputs), as GPT-2's Conv1D does.</param>
public sealed record ParameterPart(string HuggingFaceName, long[] Shape, bool Transposed = false)
{
    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>The shape that the file has.</summary>
    public long[] FileShape => Transposed ? [Shape[1], Shape[0]] : Shape;
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
        var names = config.ModelType == "gpt2" ? HuggingFaceNames.Gpt2 : HuggingFaceNames.Llama;
        var list = new List<ParameterSpec> { Single("embed", [config.VocabSize, config.HiddenSize], ParameterInit.Normal, names.Embedding) };
        if (config.Positions == PositionKind.Learned)
            list.Add(Single("positions", [config.MaxPositions, config.HiddenSize], ParameterInit.Normal, "transformer.wpe.weight"));
        for (var layer = 0; layer < config.NumLayers; layer++)
            AddLayer(list, config, names, layer);
        AddNorm(list, config, "norm", names.FinalNorm);
        if (scalarHead)
            list.Add(Single(ScoreName, [1, config.HiddenSize], ParameterInit.ScalarHead, "score.weight"));
        else if (!config.TieWordEmbeddings)
            list.Add(Single("head", [config.VocabSize, config.HiddenSize], ParameterInit.Normal, "lm_head.weight"));
        return list;
    }

    private static void AddLayer(List<ParameterSpec> list, ModelConfig config, HuggingFaceNames names, int layer)
    {
        var prefix = $"layers.{layer}.";
        var file = names.Layer(layer);
        long hidden = config.HiddenSize, q = config.NumHeads * config.HeadDim, kv = config.NumKeyValueHeads * config.HeadDim, inner = config.IntermediateSize;
        AddNorm(list, config, prefix + "attention_norm", file + names.AttentionNorm);
        AddLinear(list, prefix + "qkv", names.Qkv.Length == 1 ? [q + 2 * kv] : [q, kv, kv], hidden, ParameterInit.Normal, file, names.Qkv, config.QkvBias, names.Transposed);
        AddLinear(list, prefix + "output", [hidden], q, ParameterInit.ResidualNormal, file, [names.Output], config.OutputBias, names.Transposed);
        AddNorm(list, config, prefix + "mlp_norm", file + names.MlpNorm);
        AddLinear(list, prefix + "up", [.. names.Up.Select(_ => inner)], hidden, ParameterInit.Normal, file, names.Up, config.MlpBias, names.Transposed);
        AddLinear(list, prefix + "down", [hidden], inner, ParameterInit.ResidualNormal, file, [names.Down], config.MlpBias, names.Transposed);
    }

    private static void AddNorm(List<ParameterSpec> list, ModelConfig config, string name, string file)
    {
        list.Add(Single(name, [config.HiddenSize], ParameterInit.One, file + ".weight"));
        if (config.Norm == NormKind.LayerNorm)
            list.Add(Single(name + "_bias", [config.HiddenSize], ParameterInit.Zero, file + ".bias"));
    }

    private static void AddLinear(
        List<ParameterSpec> list, string name, long[] outputs, long inputs, ParameterInit init, string file, string[] modules, bool bias, bool transposed)
    {
        list.Add(new ParameterSpec(name, [outputs.Sum(), inputs], init,
            [.. modules.Zip(outputs, (module, rows) => new ParameterPart($"{file}{module}.weight", [rows, inputs], transposed))]));
        if (bias)
            list.Add(new ParameterSpec(name + "_bias", [outputs.Sum()], ParameterInit.Zero,
                [.. modules.Zip(outputs, (module, rows) => new ParameterPart($"{file}{module}.bias", [rows]))]));
    }

    private static ParameterSpec Single(string name, long[] shape, ParameterInit init, string file) => new(name, shape, init, [new ParameterPart(file, shape)]);

    /// <summary>What Hugging Face calls the modules.</summary>
    private sealed record HuggingFaceNames(
        string Embedding, string LayerPrefix, string AttentionNorm, string[] Qkv, string Output, string MlpNorm, string[] Up, string Down, string FinalNorm, bool Transposed)
    {
        public static readonly HuggingFaceNames Llama = new(
            "model.embed_tokens.weight", "model.layers.", "input_layernorm", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], "self_attn.o_proj",
            "post_attention_layernorm", ["mlp.gate_proj", "mlp.up_proj"], "mlp.down_proj", "model.norm", false);

        public static readonly HuggingFaceNames Gpt2 = new(
            "transformer.wte.weight", "transformer.h.", "ln_1", ["attn.c_attn"], "attn.c_proj", "ln_2", ["mlp.c_fc"], "mlp.c_proj", "transformer.ln_f", true);

        public string Layer(int layer) => $"{LayerPrefix}{layer}.";
    }
}

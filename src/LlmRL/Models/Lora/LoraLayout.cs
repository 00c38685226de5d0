namespace LlmRL.Models.Lora;

/// <summary>The adapter of one projection.</summary>
/// <param name="Module">The projection's name in weight files: <c>model.layers.0.self_attn.q_proj</c>.</param>
/// <param name="Base">Its weight, a part of one of ours.</param>
/// <param name="FirstRow">First of its rows in our weight.</param>
/// <param name="FirstAdapterRow">First of its rows in the B of our weight, which has the rows of the targets alone.</param>
internal sealed record LoraBlock(string Module, ParameterPart Base, int FirstRow, int FirstAdapterRow)
{
    /// <summary>Its outputs.</summary>
    public int Rows => (int)Base.Shape[0];
}

/// <summary>The adapters of one of our weights: those of query, key and value lie one below the other, as the weights do, so that one product with A serves all.</summary>
/// <param name="Name">The weight's name.</param>
/// <param name="Inputs">Its columns.</param>
/// <param name="Outputs">Its rows.</param>
/// <param name="Blocks">The adapters of its targeted parts, top to bottom.</param>
internal sealed record LoraLinear(string Name, int Inputs, int Outputs, IReadOnlyList<LoraBlock> Blocks)
{
    /// <summary>Names of the adapters' parameters: A, (blocks·r, inputs), and B, (rows of the blocks, r).</summary>
    public string A => Name + ".lora_A";

    /// <inheritdoc cref="A"/>
    public string B => Name + ".lora_B";
}

/// <summary>Which weights of a model have adapters, and the adapters' parameters in memory order.</summary>
internal static class LoraLayout
{
    /// <summary>PEFT's name of A.</summary>
    public const string AName = "lora_A";

    private const string BName = "lora_B", Prefix = "base_model.model.", WeightSuffix = ".weight", HeadName = "head", BlockPrefix = "layers.";

    /// <summary>The adapters' weights.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="isTarget">Whether a projection, given by its name in weight files, has an adapter.</param>
    /// <param name="withHead">Whether the language model's head may have one; its own matrix must be no embedding.</param>
    public static IReadOnlyList<LoraLinear> Of(ModelConfig config, Func<string, bool> isTarget, bool withHead = false)
    {
        var linears = new List<LoraLinear>();
        foreach (var spec in ParameterLayout.Of(config, scalarHead: false).Where(spec => IsProjection(spec, withHead)))
        {
            var blocks = new List<LoraBlock>();
            int row = 0, adapterRow = 0;
            foreach (var part in spec.Parts)
            {
                var block = new LoraBlock(ModuleOf(part), part, row, adapterRow);
                row += block.Rows;
                if (!isTarget(block.Module))
                    continue;
                blocks.Add(block);
                adapterRow += block.Rows;
            }

            if (blocks.Count > 0)
                linears.Add(new LoraLinear(spec.Name, (int)spec.Shape[1], (int)spec.Shape[0], blocks));
        }

        return linears;
    }

    /// <summary>The adapters' weights of a stage.</summary>
    /// <exception cref="BadInputException">A target is none of the model's projections.</exception>
    public static IReadOnlyList<LoraLinear> Of(ModelConfig config, LoraOptions options)
    {
        var modules = Modules(config);
        if (options.TargetModules.FirstOrDefault(target => target != LoraOptions.AllLinear && !modules.Any(module => LoraOptions.Matches(target, module))) is { } unknown)
        {
            var names = modules.Select(Short).Distinct();
            throw new BadInputException($"'{unknown}' is no projection of a {config.ModelType} model's blocks; write {LoraOptions.AllLinear}, or some of {string.Join(", ", names)}.");
        }

        return Of(config, options.Targets);
    }

    /// <summary>The projections of an architecture's blocks, by their names in weight files.</summary>
    public static IReadOnlyList<string> Modules(ModelConfig config) =>
        [.. ParameterLayout.Of(config, scalarHead: false).Where(spec => IsProjection(spec, withHead: false)).SelectMany(spec => spec.Parts).Select(ModuleOf)];

    /// <summary>A module's last name: <c>q_proj</c>.</summary>
    public static string Short(string module) => module[(module.LastIndexOf('.') + 1)..];

    /// <summary>The adapters' parameters in memory order, by their names in PEFT's files; a scalar head is trained whole and comes last.</summary>
    public static IReadOnlyList<ParameterSpec> Specs(IEnumerable<LoraLinear> linears, int rank, ParameterSpec? score)
    {
        var specs = new List<ParameterSpec>();
        foreach (var linear in linears)
        {
            specs.Add(new ParameterSpec(linear.A, [linear.Blocks.Count * rank, linear.Inputs], ParameterInit.KaimingUniform,
                [.. linear.Blocks.Select(block => new ParameterPart(FileName(block.Module, AName), [rank, linear.Inputs]))]));
            // A's columns and B's rows are in the model's own order, even where files hold its weight the other way round; only heads that are interleaved stay so.
            specs.Add(new ParameterSpec(linear.B, [linear.Blocks.Sum(block => block.Rows), rank], ParameterInit.Zero,
                [.. linear.Blocks.Select(block => new ParameterPart(FileName(block.Module, BName), [block.Rows, rank],
                    block.Base.Order == PartOrder.ByHead ? PartOrder.ByHead : PartOrder.Same, block.Base.Heads))]));
        }

        if (score is not null)
            specs.Add(score with { Parts = [.. score.Parts.Select(part => part with { HuggingFaceName = Prefix + part.HuggingFaceName })] });
        return specs;
    }

    /// <summary>A matrix's name in PEFT's files.</summary>
    public static string FileName(string module, string matrix) => $"{Prefix}{module}.{matrix}{WeightSuffix}";

    private static string ModuleOf(ParameterPart part) => part.HuggingFaceName[..^WeightSuffix.Length];

    private static bool IsProjection(ParameterSpec spec, bool withHead) =>
        spec.Shape.Length == 2 && (spec.Name.StartsWith(BlockPrefix, StringComparison.Ordinal) || (withHead && spec.Name == HeadName));
}

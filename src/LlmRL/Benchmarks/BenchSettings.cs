using LlmRL.Models;
using LlmRL.Recipes;
using LlmRL.Training;

namespace LlmRL.Benchmarks;

/// <summary>What is measured: a model's shape and the batch. Weights are drawn at random, for time does not depend on them.</summary>
public sealed record BenchSettings
{
    /// <summary>Key of the random weights and texts.</summary>
    public const ulong Seed = 1;

    /// <summary>The model's <c>config.json</c>.</summary>
    public required string ConfigFile { get; init; }

    /// <summary>The model as it was named.</summary>
    public required string ModelName { get; init; }

    /// <summary>V in place of the config's.</summary>
    public int? Vocabulary { get; init; }

    /// <summary>Steps that count.</summary>
    public int Steps { get; init; } = 5;

    /// <summary>Steps before them that do not: the runtime compiles, buffers grow.</summary>
    public int WarmUp { get; init; } = 2;

    /// <summary><see cref="BenchShape.Batch"/> in place of the phase's own.</summary>
    public int? Batch { get; init; }

    /// <summary><see cref="BenchShape.Group"/> in place of the phase's own.</summary>
    public int? Group { get; init; }

    /// <summary><see cref="BenchShape.PromptLength"/> in place of the phase's own.</summary>
    public int? PromptLength { get; init; }

    /// <summary><see cref="BenchShape.CompletionLength"/> in place of the phase's own.</summary>
    public int? CompletionLength { get; init; }

    /// <summary>Rank of adapters on all projections, which are trained in place of the weights; null: all weights are trained.</summary>
    public int? LoraRank { get; init; }

    /// <summary>What passes read and compute in; see <see cref="Algorithms.TrainingStage.Dtype"/>.</summary>
    public WeightType Dtype { get; init; }

    /// <summary>Whether the backward pass computes each layer again; see <see cref="Algorithms.TrainingStage.GradientCheckpointing"/>.</summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>Where the optimizer's moments are kept; see <see cref="Algorithms.TrainingStage.OptimizerOffload"/>.</summary>
    public OptimizerOffload OptimizerOffload { get; init; }

    /// <summary>n of the matrix product that is the limit, see <see cref="MachineLimit"/>.</summary>
    public int MatrixSize { get; init; } = MachineLimit.DefaultSize;

    /// <summary>Finds a model's config.</summary>
    /// <param name="model">A <c>config.json</c>, or a folder with one.</param>
    /// <exception cref="BadInputException">There is none.</exception>
    public static string FindConfig(string model)
    {
        var place = ProgramPaths.Resolve(model);
        if (Directory.Exists(place))
            place = Path.Combine(place, ModelFolder.ConfigName);
        return File.Exists(place) ? place : throw new BadInputException($"--model {model}: no such config.json, nor a folder with one; the fixed shapes are for models/A.json and models/B.json.");
    }

    /// <summary>The architecture.</summary>
    public ModelConfig ReadConfig()
    {
        var config = ModelConfigFile.Read(ConfigFile);
        if (Vocabulary is < 16 or > 1 << 20)
            throw new BadInputException($"--vocab {Vocabulary}: it must be between 16 and {1 << 20}.");
        if (Steps < 1 || WarmUp < 0)
            throw new BadInputException(Steps < 1 ? $"--steps {Steps}: it must be 1 or more." : $"--warm-up {WarmUp}: it must be 0 or more.");
        if (LoraRank < 1)
            throw new BadInputException($"--lora {LoraRank}: it is the adapters' rank, 1 or more.");
        return config with { VocabSize = Vocabulary ?? config.VocabSize };
    }

    /// <summary>The batch of a phase.</summary>
    public BenchShape Shape(BenchPhase phase, ModelConfig config)
    {
        var shape = BenchShape.Of(phase, Parameters(config));
        shape = new(Batch ?? shape.Batch, Group ?? shape.Group, PromptLength ?? shape.PromptLength, CompletionLength ?? shape.CompletionLength);
        shape.Check(phase, config);
        return shape;
    }

    /// <summary>Number of weights of a language model.</summary>
    public static double Parameters(ModelConfig config) => ParameterLayout.Of(config, scalarHead: false).Sum(spec => (double)spec.Elements);
}

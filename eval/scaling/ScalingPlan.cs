using System.Text.Json.Nodes;
using LlmRL.Benchmarks;
using LlmRL.Models;
using LlmRL.Training;

namespace LlmRL.Scaling;

/// <summary>One measurement: a phase at one place of a curve.</summary>
/// <param name="Axis">What varies along the curve.</param>
/// <param name="X">Its value.</param>
/// <param name="Phase">What is timed.</param>
/// <param name="Model">The model's widths.</param>
/// <param name="Vocabulary">V.</param>
/// <param name="Shape">The batch.</param>
/// <param name="Offload">Where AdamW's moments are kept.</param>
internal sealed record ScalingPoint(string Axis, double X, BenchPhase Phase, ModelSize Model, int Vocabulary, BenchShape Shape, OptimizerOffload Offload = OptimizerOffload.None)
{
    /// <summary>Which line of a plot and row of a table the point belongs to.</summary>
    public ScalingCurve Curve => new(Phase, Offload);

    /// <summary>Names the point in the file of results, so that a run which was stopped goes on from there.</summary>
    public string Key => FormattableString.Invariant($"{Axis} {BenchRun.Name(Phase)} D{Model.Width} L{Model.Layers} V{Vocabulary} {Shape.Batch}x{Shape.Group}x{Shape.PromptLength}+{Shape.CompletionLength}{(Offload == OptimizerOffload.Disk ? " disk" : "")}");

    /// <summary>The architecture.</summary>
    public ModelConfig Config(string folder) => ModelConfigFile.Read(Model.Write(folder)) with { VocabSize = Vocabulary };
}

/// <summary>Points that differ in one number only.</summary>
/// <param name="Phase">What is timed.</param>
/// <param name="Offload">Where AdamW's moments are kept.</param>
internal readonly record struct ScalingCurve(BenchPhase Phase, OptimizerOffload Offload)
{
    /// <summary>As tables and legends have it.</summary>
    public string Name => BenchRun.Name(Phase) + (Offload == OptimizerOffload.Disk ? ", moments on disk" : "");
}

/// <summary>A Llama with tied embeddings, so that the head is the one matrix that grows with the vocabulary.</summary>
/// <param name="Width">D.</param>
/// <param name="Layers">L.</param>
/// <param name="Heads">H.</param>
/// <param name="Inner">F.</param>
internal sealed record ModelSize(int Width, int Layers, int Heads, int Inner)
{
    public const int Positions = 1024;

    /// <summary>Writes its <c>config.json</c> into a folder.</summary>
    /// <returns>The file.</returns>
    public string Write(string folder)
    {
        var file = Path.Combine(folder, FormattableString.Invariant($"D{Width}-L{Layers}.json"));
        File.WriteAllText(file, new JsonObject
        {
            ["model_type"] = "llama",
            ["vocab_size"] = 512,
            ["hidden_size"] = Width,
            ["intermediate_size"] = Inner,
            ["num_hidden_layers"] = Layers,
            ["num_attention_heads"] = Heads,
            ["num_key_value_heads"] = Heads,
            ["max_position_embeddings"] = Positions,
            ["rms_norm_eps"] = 1e-5,
            ["rope_theta"] = 10000.0,
            ["tie_word_embeddings"] = true,
            ["initializer_range"] = 0.02,
        }.ToJsonString());
        return file;
    }
}

/// <summary>The curves. All others are held fixed at model A's widths, vocabulary 512.</summary>
internal static class ScalingPlan
{
    public const string Length = "sequence length", Batch = "batch", Group = "group size", Size = "model size", Vocabulary = "vocabulary";

    private const int SmallVocabulary = 512, SizeVocabulary = 2048;

    // Widths of models/nano.json, models/A.json, one between, models/B.json.
    private static readonly ModelSize A = new(256, 4, 4, 688);
    private static readonly ModelSize[] Sizes = [new(128, 4, 4, 352), A, new(384, 6, 6, 1024), new(512, 8, 8, 1376)];

    private static readonly BenchPhase[] All = [BenchPhase.Sft, BenchPhase.LogProbs, BenchPhase.Generate, BenchPhase.Grpo];

    /// <summary>A curve's colour in every plot.</summary>
    public static int Colour(ScalingCurve curve) => curve.Offload == OptimizerOffload.Disk ? All.Length : Array.IndexOf(All, curve.Phase);

    /// <summary>All points in the order of the curves.</summary>
    /// <param name="quick">Fewer and smaller ones: minutes on one core.</param>
    public static IReadOnlyList<ScalingPoint> Points(bool quick)
    {
        int[] lengths = quick ? [64, 192, 512] : [64, 128, 256, 512, 1024];
        int[] batches = quick ? [2, 4, 8] : [1, 2, 4, 8, 16, 32];
        int[] groups = quick ? [2, 4, 8] : [2, 4, 8, 16, 32];
        int[] vocabularies = quick ? [512, 12_000, 150_000] : [512, 4096, 32_000, 150_000];
        var (few, completion) = quick ? (2, 32) : (8, 96);
        BenchPhase[] phases = quick ? [BenchPhase.Sft, BenchPhase.Grpo] : All;
        var points = new List<ScalingPoint>();
        void Add(string axis, double x, BenchPhase phase, ModelSize model, int vocabulary, BenchShape shape) => points.Add(new(axis, x, phase, model, vocabulary, Fit(phase, shape)));
        foreach (var length in lengths)
            foreach (var phase in phases)
                Add(Length, length, phase, A, SmallVocabulary, new(quick ? 2 : 4, 2, 32, length - 32));
        foreach (var batch in batches)
            foreach (var phase in phases)
                Add(Batch, batch, phase, A, SmallVocabulary, new(batch, 2, 32, completion));
        foreach (var group in groups)
            foreach (var phase in new[] { BenchPhase.Generate, BenchPhase.Grpo })
                Add(Group, group, phase, A, SmallVocabulary, new(2, group, 32, completion));
        foreach (var size in quick ? Sizes.Where((_, i) => i != 2) : Sizes)
            foreach (var phase in phases)
                Add(Size, new ScalingPoint("", 0, phase, size, SizeVocabulary, new(1, 1, 2, 2)).Weights(), phase, size, SizeVocabulary, new(few, 2, 32, completion));
        foreach (var vocabulary in vocabularies)
            foreach (var phase in new[] { BenchPhase.Sft, BenchPhase.Generate, BenchPhase.Grpo })
                Add(Vocabulary, vocabulary, phase, A, vocabulary, new(few, 2, 32, completion));
        points.AddRange(points.Where(point => point is { Axis: Vocabulary, Phase: BenchPhase.Grpo }).Select(point => point with { Offload = OptimizerOffload.Disk }).ToArray());
        return points;
    }

    /// <summary>Number of weights of the point's model.</summary>
    public static double Weights(this ScalingPoint point)
    {
        var folder = Directory.CreateTempSubdirectory("llmrl-scaling-");
        try
        {
            return BenchSettings.Parameters(point.Config(folder.FullName));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Phases without groups have as many rows instead; nearly nothing of a demonstration is prompt.</summary>
    private static BenchShape Fit(BenchPhase phase, BenchShape shape) => phase switch
    {
        BenchPhase.Sft => new(shape.Batch * shape.Group, 1, 2, shape.Length - 2),
        BenchPhase.LogProbs => new(shape.Batch * shape.Group, 1, shape.PromptLength, shape.CompletionLength),
        _ => shape,
    };
}

using LlmRL.Benchmarks;

namespace LlmRL.Cli.Commands;

/// <summary>What <c>llmrl bench</c> prints for people: a row a phase, each as soon as it is there, and what the numbers mean.</summary>
internal static class BenchTable
{
    public static void Write(IEnumerable<BenchResult> results, TextWriter output)
    {
        BenchResult? last = null;
        foreach (var result in results)
        {
            if (last is null)
            {
                output.WriteLine(Text($"{result.Model}, {result.Parameters:N0} weights, vocabulary {result.Vocabulary:N0}; {result.Device}, {result.Dtype}{(result.GradientCheckpointing ? ", gradient checkpointing" : "")}{(result.OptimizerOffload == "none" ? "" : $", moments on {result.OptimizerOffload}")}"));
                output.WriteLine();
                output.WriteLine("phase      batch          s/step (min-max)        tokens/s   peak MB  GFLOP/s  matmul  read GB/s  of limit");
            }

            last = result;
            output.WriteLine(Row(result));
            if (result.PeakDeviceMb is { } taken)
                output.WriteLine(Text($"           GPU memory {taken:N0} MB"));
            if (result.Parts.Count > 0)
                output.WriteLine("           " + string.Join(", ", result.Parts.Where(part => part.Value > 0).Select(part => Text($"{part.Key} {Percent(part.Value / result.SecondsPerStep.Median)}"))));
        }

        output.WriteLine();
        foreach (var line in Explanation)
            output.WriteLine(line);
    }

    private static string Row(BenchResult result)
    {
        var (shape, time) = (result.Shape, result.SecondsPerStep);
        var batch = Text($"{shape.Batch}{(shape.Group > 1 ? Text($"x{shape.Group}") : "")} x {shape.PromptLength}+{shape.CompletionLength}");
        var seconds = Text($"{time.Median:F3} ({time.Min:F3}-{time.Max:F3})");
        var reached = result.Flops > 0 ? Text($"{result.Flops / time.Median / 1e9:N0}") : "-";
        return Text($"{result.Phase,-10} {batch,-14} {seconds,-23} {Number(result.TokensPerSecond),8} {Number(result.PeakRssMb),9} {reached,8} {Number(result.MatmulGflops),7} {Number(result.ReadGbps),10} {(result.FractionOfLimit is { } fraction ? Percent(fraction) : "-"),9}");
    }

    private static readonly string[] Explanation =
    [
        "batch      sequences (prompts x completions a prompt) x tokens of prompt + completion",
        "s/step     median of the timed steps; in a row below it, what they went into",
        "tokens/s   new tokens where there is sampling, all tokens of the batch otherwise",
        "peak MB    most memory the process held; GFLOP/s: useful operations by formula",
        "matmul     GFLOP/s of a large matrix product, read: of as many bytes as the weights, both beside it",
        "of limit   least time that the operations (generate: or reading weights and cache) take at these speeds / s/step",
    ];

    private static string Number(double? value) => value is { } number ? Text($"{number:N0}") : "-";

    private static string Percent(double fraction) => Text($"{100 * fraction:F0} %");

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}

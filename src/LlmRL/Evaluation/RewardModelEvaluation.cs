using LlmRL.Algorithms;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Evaluation;

/// <summary>Measures a reward model on held-out preference pairs.</summary>
internal static class RewardModelEvaluation
{
    /// <summary>Accuracy (ties count half), and where the data knows its own label noise, the accuracy that a perfect judge would reach.</summary>
    public static IEnumerable<KeyValuePair<string, double>> Measure(Evaluate stage, string name, StageContext context)
    {
        using var guard = no_grad();
        using var model = context.LoadModel(name, scalarHead: true, trainable: false);
        var data = context.Open(stage.Pairs!);
        var encoder = new RewardModel { Name = stage.Name, Data = stage.Pairs!, Steps = 1 };
        var hits = new List<double>();
        foreach (var micro in MicroBatches.Split(Enumerable.Range(0, data.Count).Select(i => encoder.Encode(data[i], context)), stage.MicroBatchTokens, model))
        {
            context.Cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var scores = RewardModel.LastTokenScores(model, [.. micro.SelectMany(example => example.Sequences)], [.. micro.SelectMany((example, i) => example.Sequences.Select(_ => i))]).cpu().data<float>().ToArray();
            for (var b = 0; b < micro.Count; b++)
                hits.Add(WinRate.Points(WinRate.Compare(scores[2 * b], scores[2 * b + 1])));
        }

        var rows = new MeasuredRows(name);
        rows.AddMean("accuracy", hits);
        if (context.Open(stage.Pairs!) is Data.INoisyLabels noisy)
            rows.Add("accuracy_limit", noisy.BayesAccuracy(data.Count));
        return rows.All;
    }
}

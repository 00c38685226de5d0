namespace LlmRL.Training;

/// <summary>How the learning rate moves over the steps, named as Hugging Face's <c>lr_scheduler_type</c>.</summary>
public enum LearningRateSchedule
{
    /// <summary>Stays.</summary>
    Constant,

    /// <summary>Falls on a line to 0 at the last step.</summary>
    Linear,

    /// <summary>Falls on half a cosine to 0 at the last step.</summary>
    Cosine,
}

/// <summary>The learning rate of a step.</summary>
public static class LearningRates
{
    /// <summary>
    /// lr(s) = peak · s/warmup while s &lt; warmup; then peak, peak·(1 − p) or peak·½(1 + cos πp) with p = (s − warmup)/(total − warmup).
    /// </summary>
    /// <param name="schedule">The shape.</param>
    /// <param name="peak">The highest rate.</param>
    /// <param name="step">s: 0 for the first step.</param>
    /// <param name="total">Number of steps.</param>
    /// <param name="warmup">Number of steps of rising.</param>
    /// <remarks>As <c>get_linear_schedule_with_warmup</c> and <c>get_cosine_schedule_with_warmup</c> of Hugging Face's transformers.</remarks>
    public static double At(this LearningRateSchedule schedule, double peak, long step, long total, long warmup = 0)
    {
        if (step < warmup)
            return peak * step / warmup;
        var progress = (double)(step - warmup) / Math.Max(1, total - warmup);
        return schedule switch
        {
            LearningRateSchedule.Constant => peak,
            LearningRateSchedule.Linear => peak * Math.Max(0, 1 - progress),
            LearningRateSchedule.Cosine => peak * Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * progress))),
            _ => throw new ArgumentOutOfRangeException(nameof(schedule), schedule, null),
        };
    }
}
